"""What to do for a pod next: a pure function of its spec, its containers' records, its probes and the time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from kaito.core.clock import parse_timestamp
from kaito.core.objects import Object
from kaito.local.node.probe_state import Verdict
from kaito.local.node.records import Record, latest

BACKOFF_FIRST = 10.0
BACKOFF_LIMIT = 300.0
BACKOFF_RESET = 600.0
"""Seconds of the pause before a restart: the first is at once, then 10, 20 … 300; a run of ten minutes starts over.
Source: kubelet's CrashLoopBackOff."""

DEFAULT_GRACE = 30.0


@dataclass(frozen=True)
class Waiting:
    """Why a container does not run: a reason of the kubelet's, and what a person should know."""

    reason: str
    message: str = ""
    retry_at: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """What is known of a pod at `now`. `records` are ascending runs by container name.

    `waiting` are failed preparations, `blocked` is why the pod as a whole cannot start (a volume), and `hooked` are
    the containers whose postStart hook still runs.
    """

    pod: Object
    now: datetime
    records: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)
    probes: Mapping[str, Verdict] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    blocked: Waiting | None = None
    hooked: frozenset[str] = frozenset()
    pod_ip: str = ""
    host_ip: str = ""

    def latest(self, name: str) -> Record | None:
        """Return the last run of a container."""
        return latest(self.records.get(name, ()))

    def verdict(self, name: str) -> Verdict:
        """Return what the probes of a running container say."""
        return self.probes.get(name, Verdict(started=False, ready=False))


@dataclass(frozen=True)
class Start:
    """Start a run of a container. `backoff` is the pause in seconds that will follow its end."""

    container: Object
    attempt: int
    backoff: float
    init: bool


@dataclass(frozen=True)
class Stop:
    """End a container: hook, SIGTERM, and SIGKILL after `grace` seconds."""

    container: str
    grace: float
    message: str


@dataclass(frozen=True)
class Decision:
    """What to do. `finish`: nothing of the deleted pod runs any more. `failed`: reason and message of an early end."""

    start: tuple[Start, ...] = ()
    stop: tuple[Stop, ...] = ()
    finish: bool = False
    failed: tuple[str, str] | None = None
    requeue_after: float | None = None


def decide(snapshot: Snapshot) -> Decision:
    """Return what to do for a pod now."""
    pod = snapshot.pod
    running = [name for name in all_names(pod) if (record := snapshot.latest(name)) and record.running]
    if pod["metadata"].get("deletionTimestamp"):
        return _terminate(snapshot, running, deletion_grace(pod, snapshot.now), finish=True)
    failure = early_end(snapshot)
    if failure is not None:
        return _terminate(snapshot, running, pod_grace(pod), failed=failure)
    if final_phase(snapshot) is not None:
        return _terminate(snapshot, running, pod_grace(pod))
    if snapshot.blocked is not None:
        return Decision()
    decision = _run(snapshot)
    return _with_deadline(snapshot, decision)


def _terminate(
    snapshot: Snapshot,
    running: list[str],
    grace: float,
    *,
    finish: bool = False,
    failed: tuple[str, str] | None = None,
) -> Decision:
    """Stop what runs, sidecars after the others, as Kubernetes orders them."""
    sidecars = {container["name"] for container in init_containers(snapshot.pod) if is_sidecar(container)}
    first = [name for name in running if name not in sidecars] or running
    stops = tuple(Stop(name, grace, f"Stopping container {name}") for name in first)
    return Decision(stop=stops, finish=finish and not running, failed=failed)


def _run(snapshot: Snapshot) -> Decision:
    pod = snapshot.pod
    starts: list[Start] = []
    stops: list[Stop] = []
    wakes: list[float] = []
    begun = any(snapshot.latest(container["name"]) for container in pod["spec"]["containers"])
    for container in init_containers(pod):
        sidecar = is_sidecar(container)
        record = snapshot.latest(container["name"])
        if not sidecar and (begun or (record and record.succeeded)):
            continue
        _advance(snapshot, container, "Always" if sidecar else _init_policy(pod), starts, stops, wakes, init=True)
        blocks = not begun and not (sidecar and _has_started(snapshot, container["name"]))
        if blocks:
            return _decision(starts, stops, wakes)
    for container in pod["spec"]["containers"]:
        _advance(snapshot, container, restart_policy(pod), starts, stops, wakes, init=False)
    return _decision(starts, stops, wakes)


def _decision(starts: list[Start], stops: list[Stop], wakes: list[float]) -> Decision:
    return Decision(tuple(starts), tuple(stops), requeue_after=min(wakes, default=None))


def _advance(
    snapshot: Snapshot,
    container: Object,
    policy: str,
    starts: list[Start],
    stops: list[Stop],
    wakes: list[float],
    *,
    init: bool,
) -> None:
    """Add what one container needs: a first start, a restart when its pause is over, or its end for a failed probe."""
    name = container["name"]
    record = snapshot.latest(name)
    waiting = snapshot.waiting.get(name)
    if waiting is not None and waiting.retry_at is not None and waiting.retry_at > snapshot.now:
        wakes.append((waiting.retry_at - snapshot.now).total_seconds())
        return
    if record is None:
        starts.append(Start(container, 0, 0.0, init))
    elif record.running:
        if failed := snapshot.verdict(name).failed:
            grace = float(
                (container.get(f"{failed}Probe") or {}).get("terminationGracePeriodSeconds") or pod_grace(snapshot.pod)
            )
            stops.append(Stop(name, grace, f"Container {name} failed {failed} probe, will be restarted"))
    elif restarts(policy, record):
        pause = backoff_left(record, snapshot.now)
        if pause > 0:
            wakes.append(pause)
        else:
            starts.append(Start(container, record.attempt + 1, next_backoff(record), init))


def _has_started(snapshot: Snapshot, name: str) -> bool:
    record = snapshot.latest(name)
    return record is not None and record.phase == "running" and snapshot.verdict(name).started


def _with_deadline(snapshot: Snapshot, decision: Decision) -> Decision:
    end = deadline_of(snapshot.pod)
    if end is None:
        return decision
    left = (end - snapshot.now).total_seconds()
    wake = left if decision.requeue_after is None else min(left, decision.requeue_after)
    return Decision(decision.start, decision.stop, decision.finish, decision.failed, wake)


def restarts(policy: str, record: Record) -> bool:
    """Return whether a container that has ended is started again."""
    return policy == "Always" or (policy == "OnFailure" and not record.succeeded)


def ran_long(record: Record) -> bool:
    """Return whether a run lasted long enough to start the pauses over."""
    if record.started is None or record.finished is None:
        return False
    return (record.finished - record.started).total_seconds() >= BACKOFF_RESET


def next_backoff(record: Record) -> float:
    """Return the pause after the run that follows `record`."""
    return BACKOFF_FIRST if ran_long(record) else min(BACKOFF_LIMIT, max(BACKOFF_FIRST, record.backoff * 2))


def pause_after(record: Record) -> float:
    """Return the pause in seconds between the end of `record` and the next start."""
    return 0.0 if ran_long(record) else record.backoff


def backoff_left(record: Record, now: datetime) -> float:
    """Return the seconds until the next run may start."""
    if record.finished is None:
        return 0.0
    return (record.finished + timedelta(seconds=pause_after(record)) - now).total_seconds()


def early_end(snapshot: Snapshot) -> tuple[str, str] | None:
    """Return reason and message when the pod has used up its activeDeadlineSeconds, now or before."""
    status = snapshot.pod.get("status") or {}
    if status.get("phase") == "Failed" and status.get("reason"):
        return status["reason"], status.get("message", "")
    end = deadline_of(snapshot.pod)
    if end is not None and snapshot.now >= end:
        return "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
    return None


def deadline_of(pod: Object) -> datetime | None:
    """Return when activeDeadlineSeconds are over, counted from the pod's start on the node."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    start = (pod.get("status") or {}).get("startTime")
    if seconds is None or not start:
        return None
    return parse_timestamp(start) + timedelta(seconds=seconds)


def final_phase(snapshot: Snapshot) -> Literal["Succeeded", "Failed"] | None:
    """Return the phase of a pod whose containers have all ended for good; None while it lives."""
    pod = snapshot.pod
    for container in init_containers(pod):
        record = snapshot.latest(container["name"])
        ended = record is not None and not record.running and not record.succeeded
        if ended and not is_sidecar(container) and _init_policy(pod) == "Never":
            return "Failed"
    records = [snapshot.latest(container["name"]) for container in pod["spec"]["containers"]]
    if any(record is None or record.running or restarts(restart_policy(pod), record) for record in records):
        return None
    return "Succeeded" if all(record and record.succeeded for record in records) else "Failed"


def init_containers(pod: Object) -> list[Object]:
    """Return the init containers in order, sidecars among them."""
    return pod["spec"].get("initContainers") or []


def is_sidecar(container: Object) -> bool:
    """Return whether an init container is one that keeps running."""
    return container.get("restartPolicy") == "Always"


def all_names(pod: Object) -> list[str]:
    """Return the names of all containers, init containers first."""
    return [container["name"] for container in [*init_containers(pod), *pod["spec"]["containers"]]]


def restart_policy(pod: Object) -> str:
    """Return the pod's restartPolicy; the API's default is Always."""
    return str(pod["spec"].get("restartPolicy") or "Always")


def _init_policy(pod: Object) -> str:
    """Return the policy for init containers: Always means OnFailure for them, as one success is enough."""
    return "Never" if restart_policy(pod) == "Never" else "OnFailure"


def pod_grace(pod: Object) -> float:
    """Return terminationGracePeriodSeconds of the spec."""
    grace = pod["spec"].get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE if grace is None else float(grace)


def deletion_grace(pod: Object, now: datetime) -> float:
    """Return the seconds left of a deleted pod's grace: its deletionTimestamp is when that ends."""
    metadata = pod["metadata"]
    grace = metadata.get("deletionGracePeriodSeconds")
    whole = pod_grace(pod) if grace is None else float(grace)
    left = (parse_timestamp(metadata["deletionTimestamp"]) - now).total_seconds()
    return max(0.0, min(whole, left + 1.0))  # deletionTimestamp has whole seconds
