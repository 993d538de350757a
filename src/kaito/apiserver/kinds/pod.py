"""Pods: what admission fills in, what a pod may not lack, and what an update of one may change.

Plain defaults (restart policy, probes, volumes …) come from `schema.apply_defaults` before these run.
"""

import copy
from collections.abc import Iterable

from kaito.apiserver.schema import Cause, FieldError, required
from kaito.core.objects import Object

_NOT_READY_SECONDS = 300
_UPDATE_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def containers(spec: Object) -> Iterable[Object]:
    """Return init containers and containers of a pod specification."""
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def admit_pod(pod: Object) -> None:
    """Fill in what the admission plug-ins of a real server do: service account, priority, default tolerations."""
    spec = pod["spec"]
    spec["serviceAccountName"] = spec["serviceAccount"] = (
        spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    )
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(_tolerates(item, key) for item in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _NOT_READY_SECONDS}
            )


def _tolerates(toleration: Object, key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")


def begin_pod(pod: Object) -> None:
    """Write the status of a new pod."""
    pod["status"] = {"phase": "Pending", "qosClass": quality_of_service(pod["spec"])}


def quality_of_service(spec: Object) -> str:
    """Return the pod's QoS class. Source: Kubernetes `pkg/apis/core/v1/helper/qos`."""
    named = guaranteed = 0
    for container in containers(spec):
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            named += name in limits or name in requests
            guaranteed += name in limits and limits[name] == requests.get(name, limits[name])
    if not named:
        return "BestEffort"
    return "Guaranteed" if guaranteed == 2 * len(list(containers(spec))) else "Burstable"


def validate_pod(pod: Object) -> list[FieldError]:
    """Return what is wrong with a pod's containers."""
    return container_errors(pod["spec"], "spec")


def container_errors(spec: Object, path: str) -> list[FieldError]:
    """Return what is wrong with the containers of a pod or template whose specification is at `path`."""
    errors = [] if spec.get("containers") else [required(f"{path}.containers")]
    names: set[str] = set()
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for part in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(part) or ()):
            where = f"{path}.{part}[{index}]"
            name = container.get("name")
            if not name:
                errors.append(required(f"{where}.name"))
            elif name in names:
                errors.append(FieldError(Cause.DUPLICATE, f"{where}.name", name))
            names.add(name)
            if not container.get("image"):
                errors.append(required(f"{where}.image"))
            for place, mount in enumerate(container.get("volumeMounts") or ()):
                if mount.get("name") not in volumes:
                    errors.append(FieldError(Cause.NOT_FOUND, f"{where}.volumeMounts[{place}].name", mount.get("name")))
    return errors


def validate_pod_update(new: Object, old: Object) -> list[FieldError]:
    """Return an error when an update changes what cannot change in a pod."""
    after, before = copy.deepcopy(new["spec"]), copy.deepcopy(old["spec"])
    for spec in (after, before):
        for name in ("activeDeadlineSeconds", "tolerations"):
            spec.pop(name, None)
        for container in containers(spec):
            container.pop("image", None)
    return [] if after == before else [FieldError(Cause.FORBIDDEN, "spec", None, _UPDATE_RULE)]
