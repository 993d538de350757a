"""Subresources beside status: scale, and the binding of pods (eviction is in `eviction.py`)."""

import copy

from kaito.apiserver import patch, request, status
from kaito.apiserver.admission import Write
from kaito.apiserver.resources import Resource
from kaito.apiserver.schema import FieldError, invalid, invalid_error
from kaito.apiserver.selection import value_at
from kaito.apiserver.writes import Outcome, Writer
from kaito.core.clock import timestamp
from kaito.core.objects import Object
from kaito.core.selectors import Selector

_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def scale_of(resource: Resource, obj: Object) -> Object:
    """Return the `autoscaling/v1` Scale of an object."""
    assert resource.scale is not None
    meta, paths = obj["metadata"], resource.scale
    selector = value_at(obj, paths.label_selector) if paths.label_selector else None
    text = str(Selector.from_label_selector(selector)) if isinstance(selector, dict) else (selector or "")
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            name: meta[name]
            for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
            if name in meta
        },
        "spec": {"replicas": wanted} if (wanted := value_at(obj, paths.spec_replicas)) else {},
        "status": {"replicas": value_at(obj, paths.status_replicas) or 0},
    }
    if text:
        scale["status"]["selector"] = text
    return scale


def write_scale(writer: Writer, write: Write, content_type: str, body: bytes) -> Outcome:
    """Replace or patch (by content type) the number of replicas; answers the new Scale."""
    live = writer.live(write)
    scale = scale_of(write.resource, live)
    media = content_type.partition(";")[0].strip()
    change = request.decode(body, content_type)
    if media == request.JSON_PATCH:
        scale = patch.json_patch(scale, change)
    elif media in (request.MERGE_PATCH, request.STRATEGIC_PATCH, request.APPLY_PATCH):
        scale = patch.json_merge_patch(scale, change)
    else:
        scale = change
    if not isinstance(scale, dict):
        raise status.bad_request("a Scale must be an object")
    return _scaled(writer, write, live, scale)


def _scaled(writer: Writer, write: Write, live: Object, scale: Object) -> Outcome:
    assert write.resource.scale is not None
    replicas = request.part(scale, "spec").get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        error: FieldError = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid_error("autoscaling", "Scale", write.target.name, [error])
    new = copy.deepcopy(live)
    given = request.part(scale, "metadata")
    for name in ("resourceVersion", "uid"):
        if given.get(name):
            new["metadata"][name] = given[name]
    *parents, last = write.resource.scale.spec_replicas.split(".")
    place = new
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = replicas
    outcome = writer.replace(write, new, live, manage=True)
    return Outcome(scale_of(write.resource, outcome.obj), outcome.code, outcome.warnings)


def bind(writer: Writer, write: Write, body: Object) -> Outcome:
    """Assign a pod to the node that a Binding names; 409 when it has one already."""
    pod = writer.live(write)
    node = request.part(body, "target").get("name")
    if not isinstance(node, str) or not node:
        raise status.bad_request('Binding "" is invalid: target.name: Required value')
    name = pod["metadata"]["name"]
    if pod["spec"].get("nodeName"):
        raise status.conflict(
            "", "pods/binding", name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
        )
    if pod["metadata"].get("deletionTimestamp"):
        raise status.conflict("", "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
    pod["spec"]["nodeName"] = node
    kept = [item for item in pod["status"].get("conditions") or () if item["type"] != "PodScheduled"]
    now = timestamp(write.now)
    kept.append({"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now})
    pod["status"]["conditions"] = kept
    if not write.options.dry_run:
        writer.save(write.resource, pod)
    return Outcome({**_SUCCESS, "code": 201}, 201)
