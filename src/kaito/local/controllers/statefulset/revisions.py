"""The revisions of a StatefulSet's template, as ControllerRevisions: what rollouts go to and come back from. Pure.

Source: Kubernetes' `pkg/controller/history` and `getStatefulSetRevisions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kaito.core import Object, owner_reference
from kaito.local.controllers.statefulset.pods import revision
from kaito.local.controllers.template_hash import pod_template_hash, same_template

HASH = "controller.kubernetes.io/hash"


@dataclass(frozen=True)
class Revisions:
    """The revision of today's template, and the one that a finished rollout has left.

    `create` is the new one, where there is none yet; `renumber` an old one that is the newest again, with its number.
    """

    update: Object
    current: Object
    create: Object | None = None
    renumber: tuple[Object, int] | None = None


def template_of(controller_revision: Object) -> Object:
    """Return the pod template that a revision holds."""
    template: Object = controller_revision["data"]["spec"]["template"]
    return {name: value for name, value in template.items() if name != "$patch"}


def name_of(controller_revision: Object) -> str:
    """Return the revision's name, as pods and the status refer to it."""
    return str(controller_revision["metadata"]["name"])


def revisions_of(stateful_set: Object, known: Sequence[Object]) -> Revisions:
    """Find the revision of the template among those that are known, or make a new one."""
    status = stateful_set.get("status") or {}
    template = stateful_set["spec"]["template"]
    ordered = sorted(known, key=_number)
    highest = _number(ordered[-1]) if ordered else 0
    equal = next((one for one in reversed(ordered) if same_template(template_of(one), template)), None)
    create, renumber = None, None
    if equal is None:
        create = update = _new(stateful_set, highest + 1, int(status.get("collisionCount") or 0))
    else:
        update = equal
        if _number(equal) < highest:
            renumber = (equal, highest + 1)
    named = (one for one in ordered if name_of(one) == status.get("currentRevision"))
    return Revisions(update, next(named, update), create, renumber)


def forgotten(stateful_set: Object, known: Sequence[Object], pods: Sequence[Object], live: Revisions) -> list[Object]:
    """Return the oldest revisions beyond `revisionHistoryLimit` that nothing uses."""
    used = {name_of(live.update), name_of(live.current), *(revision(pod) for pod in pods)}
    unused = [one for one in sorted(known, key=_number) if name_of(one) not in used]
    limit = stateful_set["spec"].get("revisionHistoryLimit")
    return unused[: max(0, len(unused) - (10 if limit is None else int(limit)))]


def _number(controller_revision: Object) -> int:
    return int(controller_revision.get("revision") or 0)


def _new(stateful_set: Object, number: int, collisions: int) -> Object:
    metadata, template = stateful_set["metadata"], stateful_set["spec"]["template"]
    digest = pod_template_hash(template, collisions)
    labels = (template.get("metadata") or {}).get("labels") or {}
    result: Object = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": {**labels, HASH: digest},
            "ownerReferences": [owner_reference({"apiVersion": "apps/v1", "kind": "StatefulSet", **stateful_set})],
        },
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }
    if metadata.get("annotations"):
        result["metadata"]["annotations"] = dict(metadata["annotations"])
    return result
