"""A pod's status: a pure function of the snapshot, in the kubelet's words and by its rules."""

from datetime import datetime

from kaito.core.clock import timestamp
from kaito.core.objects import Object
from kaito.local.node import lifecycle
from kaito.local.node.lifecycle import Snapshot, init_containers, is_sidecar
from kaito.local.node.records import Record

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
"""Condition types that the kubelet writes, in its order; others are left as they are."""


def pod_status(snapshot: Snapshot, failed: tuple[str, str] | None = None) -> Object:
    """Return the whole status of a pod. `failed` is (reason, message) of a pod that was ended early."""
    pod = snapshot.pod
    old = pod.get("status") or {}
    inits = [_container_status(snapshot, container, init=True) for container in init_containers(pod)]
    mains = [_container_status(snapshot, container, init=False) for container in pod["spec"]["containers"]]
    phase = "Failed" if failed else _phase(snapshot)
    status: Object = {
        "phase": phase,
        "conditions": _conditions(snapshot, phase, inits, mains),
        "hostIP": snapshot.host_ip,
        "hostIPs": [{"ip": snapshot.host_ip}],
        "podIP": snapshot.pod_ip,
        "podIPs": [{"ip": snapshot.pod_ip}],
        "startTime": old.get("startTime") or timestamp(snapshot.now),
        "containerStatuses": mains,
        "qosClass": old.get("qosClass") or qos_class(pod),
    }
    if inits:
        status["initContainerStatuses"] = inits
    if failed:
        status["reason"], status["message"] = failed
    return status


def _phase(snapshot: Snapshot) -> str:
    """Return the phase by the kubelet's rules (getPhase)."""
    pod = snapshot.pod
    final = lifecycle.final_phase(snapshot)
    if final is not None:
        return final
    if _incomplete_init(snapshot):
        return "Pending"
    records = [snapshot.latest(container["name"]) for container in pod["spec"]["containers"]]
    if any(record is None or (record.phase == "starting" and record.attempt == 0) for record in records):
        return "Pending"
    return "Running"


def _incomplete_init(snapshot: Snapshot) -> list[str]:
    """Return the init containers that the others still wait for."""
    if any(snapshot.latest(container["name"]) for container in snapshot.pod["spec"]["containers"]):
        return []
    names = []
    for container in init_containers(snapshot.pod):
        record = snapshot.latest(container["name"])
        if is_sidecar(container):
            done = record is not None and record.phase == "running" and snapshot.verdict(record.name).started
        else:
            done = record is not None and record.succeeded
        if not done:
            names.append(container["name"])
    return names


def _container_status(snapshot: Snapshot, container: Object, *, init: bool) -> Object:
    name = container["name"]
    records = snapshot.records.get(name, ())
    record = snapshot.latest(name)
    state, last = _states(snapshot, container, records, init=init)
    verdict = snapshot.verdict(name)
    up = record is not None and record.phase == "running" and "running" in state
    regular_init = init and not is_sidecar(container)
    status: Object = {
        "name": name,
        "state": state,
        "lastState": last,
        "ready": bool(record and record.succeeded) if regular_init else up and verdict.ready,
        "restartCount": record.attempt if record else 0,
        "image": container.get("image", ""),
        "imageID": f"process://{record.program}" if record and record.program else "",
        "started": up and (True if regular_init else verdict.started),
    }
    if record is not None:
        status["containerID"] = record.container_id
    return status


def _states(snapshot: Snapshot, container: Object, records: tuple[Record, ...], *, init: bool) -> tuple[Object, Object]:
    """Return state and lastState of a container."""
    previous = {"terminated": _terminated(records[-2])} if len(records) > 1 else {}
    record = records[-1] if records else None
    name = container["name"]
    waiting = snapshot.waiting.get(name)
    if record is None:
        return {"waiting": _waiting(snapshot, name, init=init)}, {}
    if record.phase == "running" and name not in snapshot.hooked:
        return {"running": {"startedAt": _seconds(record.started)}}, previous
    if record.running:
        return {"waiting": {"reason": "ContainerCreating"}}, previous
    terminated = {"terminated": _terminated(record)}
    if waiting is not None:
        return {"waiting": {"reason": waiting.reason, "message": waiting.message}}, terminated
    if _will_restart(snapshot, container, record, init=init) and lifecycle.pause_after(record) > 0:
        pause = lifecycle.pause_after(record)
        message = f"back-off {_duration(pause)} restarting failed container={name} pod={_full_name(snapshot.pod)}"
        return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}, terminated
    return terminated, previous


def _will_restart(snapshot: Snapshot, container: Object, record: Record, *, init: bool) -> bool:
    pod = snapshot.pod
    if pod["metadata"].get("deletionTimestamp") or lifecycle.early_end(snapshot) or lifecycle.final_phase(snapshot):
        return False
    policy = lifecycle.restart_policy(pod)
    if init:
        policy = "Always" if is_sidecar(container) else ("Never" if policy == "Never" else "OnFailure")
    return lifecycle.restarts(policy, record)


def _waiting(snapshot: Snapshot, name: str, *, init: bool) -> Object:
    waiting = snapshot.waiting.get(name)
    if waiting is not None:
        return {"reason": waiting.reason, "message": waiting.message}
    if not init and _incomplete_init(snapshot):
        return {"reason": "PodInitializing"}
    incomplete = _incomplete_init(snapshot)
    if init and incomplete and incomplete[0] != name:
        return {"reason": "PodInitializing"}
    return {"reason": "ContainerCreating"}


def _terminated(record: Record) -> Object:
    state: Object = {
        "exitCode": record.exit_code,
        "reason": record.reason,
        "startedAt": _seconds(record.started),
        "finishedAt": _seconds(record.finished),
        "containerID": record.container_id,
    }
    if record.signal:
        state["signal"] = record.signal
    if record.message:
        state["message"] = record.message
    return state


def _conditions(snapshot: Snapshot, phase: str, inits: list[Object], mains: list[Object]) -> list[Object]:
    pod = snapshot.pod
    incomplete = _incomplete_init(snapshot)
    unready = [each["name"] for each in mains if not each["ready"]]
    unready += [
        each["name"]
        for each, container in zip(inits, init_containers(pod), strict=True)
        if is_sidecar(container) and not each["ready"]
    ]
    ended = phase in ("Succeeded", "Failed")
    completed = ("False", "PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    unready_text = f"containers with unready status: [{' '.join(unready)}]"
    incomplete_text = f"containers with incomplete status: [{' '.join(incomplete)}]"
    containers_ready = ("True", "", "") if not unready else ("False", "ContainersNotReady", unready_text)
    gates = _closed_gates(pod)
    ready = containers_ready
    if not unready and gates:
        ready = (
            "False",
            "ReadinessGatesNotReady",
            f"corresponding condition of pod readiness gate {gates[0]!r} is not True.",
        )
    initialized = ("True", "", "")
    if incomplete:
        initialized = ("False", "ContainersNotInitialized", incomplete_text)
    elif phase == "Succeeded":
        initialized = ("True", "PodCompleted", "")
    sandbox = ("False" if ended or snapshot.blocked else "True", "", "")
    values = dict(
        zip(
            OWN_CONDITIONS,
            (
                sandbox,
                initialized,
                completed if ended else ready,
                completed if ended else containers_ready,
                ("True", "", ""),
            ),
            strict=True,
        )
    )
    return _merge(pod, values, snapshot.now)


def _merge(pod: Object, values: dict[str, tuple[str, str, str]], now: datetime) -> list[Object]:
    """Bring conditions up to date; a transition time changes with the status alone, and what is not ours stays."""
    existing = {each["type"]: each for each in (pod.get("status") or {}).get("conditions") or ()}
    merged = []
    for kind, (status, reason, message) in values.items():
        old = existing.pop(kind, None)
        since = old["lastTransitionTime"] if old and old["status"] == status else timestamp(now)
        condition: Object = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
        if reason:
            condition["reason"] = reason
        if message:
            condition["message"] = message
        merged.append(condition)
    return [*merged, *existing.values()]


def _closed_gates(pod: Object) -> list[str]:
    conditions = {each["type"]: each["status"] for each in (pod.get("status") or {}).get("conditions") or ()}
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    return [gate for gate in gates if conditions.get(gate) != "True"]


def qos_class(pod: Object) -> str:
    """Return BestEffort, Guaranteed or Burstable, by the requests and limits for cpu and memory."""
    any_set, guaranteed = False, True
    for container in [*init_containers(pod), *pod["spec"]["containers"]]:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            any_set = any_set or name in limits or name in requests
            guaranteed = guaranteed and name in limits and requests.get(name, limits[name]) == limits[name]
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def same_status(old: Object, new: Object) -> bool:
    """Return whether the server's status says already what `new` says; empty and absent are the same."""
    return all(_pruned(old.get(name)) == _pruned(value) for name, value in new.items())


def _pruned(value: object) -> object:
    if isinstance(value, dict):
        return {key: inner for key, each in value.items() if (inner := _pruned(each)) not in (None, "", {}, [])}
    if isinstance(value, list):
        return [_pruned(each) for each in value]
    return value


def _seconds(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _duration(seconds: float) -> str:
    """Word a duration as Go does: `10s`, `2m40s`, `5m0s`."""
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60}s"


def _full_name(pod: Object) -> str:
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
