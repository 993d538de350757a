"""Pods: what admission fills in, what a pod may not lack, and what an update of one may change.

Plain defaults (restart policy, probes, volumes …) come from `schema.apply_defaults` before these run.
"""

import copy
from collections.abc import Iterable
from typing import Any

from kaito.apiserver.schema import Cause, FieldError, invalid, required
from kaito.core.objects import Object
from kaito.core.quantity import parse_quantity

_NOT_READY_SECONDS = 300
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
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


def keep_quality(new: Object, old: Object) -> None:
    """Keep the QoS class when a status is written without it."""
    new["status"].setdefault("qosClass", old["status"]["qosClass"])


def warnings(new: Object, old: Object) -> list[str]:
    """Return what the creator of a pod should know; updates are too many to look at, and seldom people's."""
    return [] if old else container_warnings(new["spec"], "spec")


def container_warnings(spec: Object, path: str) -> list[str]:
    """Return a warning for each environment variable that hides another. Source: `pkg/api/pod/warnings.go`."""
    found = []
    for part in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(part) or ()):
            names: set[str] = set()
            for place, variable in enumerate(container.get("env") or ()):
                name, where = variable.get("name", ""), f"{path}.{part}[{index}].env[{place}]"
                if name in names and f"$({name})" not in variable.get("value", ""):
                    words = f'hides previous definition of "{name}", which may be dropped when using apply'
                    found.append(f"{where}: {words}")
                names.add(name)
    return found + _port_warnings(spec, path)


def _port_warnings(spec: Object, path: str) -> list[str]:
    found, first = [], dict[tuple[Any, ...], str]()
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            for place, port in enumerate(container.get("ports") or ()):
                where = f"{path}.{part}[{index}].ports[{place}]"
                key = tuple(port.get(name) for name in ("hostIP", "hostPort", "containerPort", "protocol"))
                if key in first:
                    found.append(f"{where}: duplicate port definition with {first[key]}")
                first.setdefault(key, where)
    return found


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
    errors += [*_volume_errors(spec, path), *_toleration_errors(spec, path)]
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
            errors += _port_errors(container.get("ports") or (), where)
            errors += _resource_errors(container.get("resources") or {}, where)
            once = part == "initContainers" and container.get("restartPolicy") != "Always"
            if once:
                errors += _init_errors(container, where)
            for place, mount in enumerate(container.get("volumeMounts") or ()):
                if mount.get("name") not in volumes:
                    errors.append(FieldError(Cause.NOT_FOUND, f"{where}.volumeMounts[{place}].name", mount.get("name")))
            if not once:
                errors += _handler_errors(container, where)
    return errors


def _handler_errors(container: Object, where: str) -> Iterable[FieldError]:
    """Yield an error for each probe and hook that does not say in exactly one way what to do."""
    hooks = container.get("lifecycle") or {}
    asked = {f"lifecycle.{name}": hooks.get(name) for name in ("postStart", "preStop")}
    asked |= {name: container.get(name) for name in _PROBES}
    for name, handler in asked.items():
        if handler is None:
            continue
        given = [way for way in ("exec", "httpGet", "tcpSocket", "grpc", "sleep") if handler.get(way) is not None]
        if not given:
            yield required(f"{where}.{name}", "must specify a handler type")
        for way in given[1:]:
            words = "may not specify more than 1 handler type"
            yield FieldError(Cause.FORBIDDEN, f"{where}.{name}.{way}", None, words)


def _port_errors(ports: Iterable[Object], where: str) -> list[FieldError]:
    names: set[str] = set()
    errors = []
    for index, port in enumerate(ports):
        if (name := port.get("name")) and name in names:
            errors.append(FieldError(Cause.DUPLICATE, f"{where}.ports[{index}].name", name))
        names.add(port.get("name", ""))
    return errors


def _resource_errors(resources: Object, where: str) -> list[FieldError]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return [
        invalid(f"{where}.resources.requests", request, f"must be less than or equal to {name} limit of {limits[name]}")
        for name, request in requests.items()
        if name in limits and parse_quantity(request) > parse_quantity(limits[name])
    ]


def _init_errors(container: Object, where: str) -> list[FieldError]:
    words = "may not be set for init containers without restartPolicy=Always"
    names = ("lifecycle", *_PROBES)
    return [FieldError(Cause.FORBIDDEN, f"{where}.{name}", None, words) for name in names if container.get(name)]


def _volume_errors(spec: Object, path: str) -> list[FieldError]:
    names: set[str] = set()
    errors = []
    for index, volume in enumerate(spec.get("volumes") or ()):
        name = volume.get("name", "")
        if name in names:
            errors.append(FieldError(Cause.DUPLICATE, f"{path}.volumes[{index}].name", name))
        names.add(name)
    return errors


def _toleration_errors(spec: Object, path: str) -> list[FieldError]:
    words = "effect must be 'NoExecute' when `tolerationSeconds` is set"
    return [
        invalid(f"{path}.tolerations[{index}].effect", item.get("effect", ""), words)
        for index, item in enumerate(spec.get("tolerations") or ())
        if item.get("tolerationSeconds") is not None and item.get("effect") != "NoExecute"
    ]


def validate_pod_update(new: Object, old: Object) -> list[FieldError]:
    """Return an error when an update changes what cannot change in a pod."""
    after, before = copy.deepcopy(new["spec"]), copy.deepcopy(old["spec"])
    for spec in (after, before):
        for name in ("activeDeadlineSeconds", "tolerations"):
            spec.pop(name, None)
        for container in containers(spec):
            container.pop("image", None)
    return [] if after == before else [FieldError(Cause.FORBIDDEN, "spec", None, _UPDATE_RULE)]
