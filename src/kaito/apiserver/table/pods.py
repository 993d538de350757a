"""The row of a Pod: READY, STATUS and RESTARTS as Kubernetes computes them (`printPod`)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kaito.apiserver.table.durations import age
from kaito.core.objects import Object

_NONE = "<none>"


def pod_cells(pod: Object, now: datetime) -> list[Any]:
    """Return NAME READY STATUS RESTARTS AGE IP NODE NOMINATED-NODE READINESS-GATES."""
    spec, status, metadata = pod.get("spec", {}), pod.get("status", {}), pod.get("metadata", {})
    reason, restarts, last, ready = _containers(spec, status)
    if metadata.get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif status.get("phase") not in {"Succeeded", "Failed"}:
            reason = "Terminating"
    total = len(spec.get("containers", ())) + sum(_is_sidecar(item) for item in spec.get("initContainers", ()))
    addresses = status.get("podIPs") or [{"ip": status.get("podIP")}]
    return [
        metadata.get("name", ""),
        f"{ready}/{total}",
        reason,
        f"{restarts} ({age(last, now)} ago)" if restarts and last else str(restarts),
        age(metadata.get("creationTimestamp"), now),
        addresses[0].get("ip") or _NONE,
        spec.get("nodeName") or _NONE,
        status.get("nominatedNodeName") or _NONE,
        _readiness_gates(spec, status),
    ]


def _containers(spec: Object, status: Object) -> tuple[str, int, str, int]:
    """Return (reason, restarts, time of the last restart, ready containers)."""
    reason = status.get("reason") or status.get("phase", "")
    if any(item.get("reason") == "SchedulingGated" for item in _conditions(status, "PodScheduled")):
        reason = "SchedulingGated"
    sidecars = {item["name"] for item in spec.get("initContainers", ()) if _is_sidecar(item)}
    initial = status.get("initContainerStatuses", [])
    waiting, ready = _init_progress(initial, sidecars, len(spec.get("initContainers", ())))
    if waiting and not any(item.get("status") == "True" for item in _conditions(status, "Initialized")):
        return waiting, _restarts(initial), _last_restart(initial), ready
    reason = waiting or reason
    statuses = status.get("containerStatuses", [])
    counted = [*(item for item in initial if item["name"] in sidecars), *statuses]
    running = 0
    for container in reversed(statuses):
        because = _container_reason(container)
        if because:
            reason = because
        elif container.get("ready") and container.get("state", {}).get("running") is not None:
            running += 1
    if reason == "Completed" and running:
        is_ready = any(item.get("status") == "True" for item in _conditions(status, "Ready"))
        reason = "Running" if is_ready else "NotReady"
    return reason, _restarts(counted), _last_restart(counted), ready + running


def _init_progress(statuses: list[Object], sidecars: set[str], total: int) -> tuple[str, int]:
    """Return (`Init:…` or nothing when all init containers are done, sidecars that are ready)."""
    ready = 0
    for index, container in enumerate(statuses):
        state = container.get("state", {})
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated is not None and terminated.get("exitCode") == 0:
            continue
        if container["name"] in sidecars and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            return "Init:" + (terminated.get("reason") or _exit(terminated)), ready
        if waiting.get("reason", "PodInitializing") != "PodInitializing":
            return "Init:" + waiting["reason"], ready
        return f"Init:{index}/{total}", ready
    return "", ready


def _container_reason(container: Object) -> str:
    state = container.get("state", {})
    waiting, terminated = state.get("waiting") or {}, state.get("terminated")
    if waiting.get("reason"):
        return str(waiting["reason"])
    return (terminated.get("reason") or _exit(terminated)) if terminated is not None else ""


def _exit(terminated: Object) -> str:
    return f"Signal:{terminated['signal']}" if terminated.get("signal") else f"ExitCode:{terminated.get('exitCode', 0)}"


def _restarts(statuses: Iterable[Object]) -> int:
    return sum(item.get("restartCount", 0) for item in statuses)


def _last_restart(statuses: Iterable[Object]) -> str:
    ended = ((item.get("lastState", {}).get("terminated") or {}).get("finishedAt") for item in statuses)
    return max((moment for moment in ended if moment), default="")


def _is_sidecar(container: Object) -> bool:
    return container.get("restartPolicy") == "Always"


def _conditions(status: Object, kind: str) -> list[Object]:
    return [item for item in status.get("conditions", ()) if item.get("type") == kind]


def _readiness_gates(spec: Object, status: Object) -> str:
    gates = [gate["conditionType"] for gate in spec.get("readinessGates", ())]
    if not gates:
        return _NONE
    passed = sum(any(item.get("status") == "True" for item in _conditions(status, gate)) for gate in gates)
    return f"{passed}/{len(gates)}"
