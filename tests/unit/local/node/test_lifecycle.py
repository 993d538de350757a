from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kaito.local.node.lifecycle import Decision, Snapshot, Waiting, decide, final_phase
from kaito.local.node.probe_state import Verdict
from kaito.local.node.records import Record

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UP = Verdict(started=True, ready=True)


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def running(name: str = "main", attempt: int = 0) -> Record:
    return Record(uid="u", name=name, attempt=attempt, phase="running", started_at=at(-60))


def exited(
    code: int, name: str = "main", attempt: int = 0, *, ago: float = 1, ran: float = 1, backoff: float = 0
) -> Record:
    return Record(
        uid="u",
        name=name,
        attempt=attempt,
        phase="exited",
        exit_code=code,
        backoff=backoff,
        started_at=at(-ago - ran),
        finished_at=at(-ago),
    )


def pod(policy: str = "Always", inits: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "main"}], "restartPolicy": policy, **more}
    if inits:
        spec["initContainers"] = inits
    return {"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec}


def snapshot(of: dict[str, Any], *records: Record, **more: Any) -> Snapshot:
    by_name: dict[str, tuple[Record, ...]] = {}
    for record in records:
        by_name[record.name] = (*by_name.get(record.name, ()), record)
    return Snapshot(of, NOW, by_name, **more)


def started(decision: Decision) -> list[tuple[str, int]]:
    return [(start.container["name"], start.attempt) for start in decision.start]


INITS = [{"name": "one"}, {"name": "two"}]
SIDECAR = [{"name": "side", "restartPolicy": "Always"}]


@pytest.mark.parametrize(
    ("case", "of", "records", "starts"),
    [
        ("a new pod starts its container", pod(), (), [("main", 0)]),
        ("a new pod starts its first init container alone", pod(inits=INITS), (), [("one", 0)]),
        ("the second init container waits for the first", pod(inits=INITS), (running("one"),), []),
        ("the second init container follows the first", pod(inits=INITS), (exited(0, "one"),), [("two", 0)]),
        (
            "containers follow the init containers",
            pod(inits=INITS),
            (exited(0, "one"), exited(0, "two")),
            [("main", 0)],
        ),
        ("a failed init container is tried again", pod(inits=INITS), (exited(1, "one"),), [("one", 1)]),
        ("a failed init container of a Never pod is not", pod("Never", INITS), (exited(1, "one"),), []),
        ("a sidecar that has not started holds the rest back", pod(inits=SIDECAR), (running("side"),), []),
        ("the first restart is at once", pod(), (exited(1),), [("main", 1)]),
        ("Always restarts what ended well", pod(), (exited(0),), [("main", 1)]),
        ("OnFailure does not", pod("OnFailure"), (exited(0),), []),
        ("OnFailure restarts what failed", pod("OnFailure"), (exited(1),), [("main", 1)]),
        ("Never restarts nothing", pod("Never"), (exited(1),), []),
        ("a restart waits for its pause", pod(), (exited(1, attempt=1, backoff=10),), []),
        ("and comes after it", pod(), (exited(1, attempt=1, backoff=10, ago=11),), [("main", 2)]),
        ("ten minutes of running start over", pod(), (exited(1, attempt=7, backoff=300, ran=601),), [("main", 8)]),
        ("what runs is left alone", pod(), (running(),), []),
    ],
)
def test_what_is_started(case: str, of: Any, records: Any, starts: Any) -> None:
    assert started(decide(snapshot(of, *records))) == starts, case


def test_a_started_sidecar_lets_the_containers_begin() -> None:
    decision = decide(snapshot(pod(inits=SIDECAR), running("side"), probes={"side": UP}))
    assert started(decision) == [("main", 0)]


@pytest.mark.parametrize(
    ("before", "ran", "after"), [(0, 1, 10), (10, 1, 20), (160, 1, 300), (300, 1, 300), (300, 700, 10)]
)
def test_pauses_double_up_to_five_minutes_and_start_over_after_a_long_run(
    before: float, ran: float, after: float
) -> None:
    record = exited(1, attempt=3, backoff=before, ago=before, ran=ran)
    assert decide(snapshot(pod(), record)).start[0].backoff == after


def test_a_pause_says_when_to_look_again() -> None:
    assert decide(snapshot(pod(), exited(1, attempt=1, backoff=10, ago=4))).requeue_after == pytest.approx(6)


@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_a_failed_probe_ends_the_container_with_the_probes_own_grace(kind: Any) -> None:
    of = pod()
    of["spec"]["containers"][0][f"{kind}Probe"] = {"terminationGracePeriodSeconds": 7}
    decision = decide(snapshot(of, running(), probes={"main": Verdict(failed=kind)}))
    assert [(stop.container, stop.grace, stop.message) for stop in decision.stop] == [
        ("main", 7.0, f"Container main failed {kind} probe, will be restarted")
    ]


def deleted(grace: float, of: dict[str, Any] | None = None) -> dict[str, Any]:
    of = of or pod()
    end = (NOW + timedelta(seconds=grace)).strftime("%Y-%m-%dT%H:%M:%SZ")
    of["metadata"].update({"deletionTimestamp": end, "deletionGracePeriodSeconds": 30})
    return of


def test_a_deleted_pod_is_stopped_within_what_is_left_of_its_grace() -> None:
    decision = decide(snapshot(deleted(20), running()))
    assert decision.stop[0].grace == pytest.approx(21)
    assert not decision.finish


def test_a_deleted_pod_without_a_running_container_is_finished_and_starts_nothing() -> None:
    assert decide(snapshot(deleted(20))) == Decision(finish=True)
    assert decide(snapshot(deleted(20), exited(0))).finish


def test_sidecars_are_stopped_after_the_other_containers() -> None:
    both = snapshot(deleted(20, pod(inits=SIDECAR)), running("side"), running())
    assert [stop.container for stop in decide(both).stop] == ["main"]
    alone = snapshot(deleted(20, pod(inits=SIDECAR)), running("side"), exited(0))
    assert [stop.container for stop in decide(alone).stop] == ["side"]


def test_a_blocked_pod_starts_nothing() -> None:
    assert decide(snapshot(pod(), blocked=Waiting("ContainerCreating"))) == Decision()


def test_a_pod_past_its_deadline_is_stopped_and_has_failed() -> None:
    of = pod(activeDeadlineSeconds=10)
    of["status"] = {"startTime": at(-11)[:19] + "Z"}
    decision = decide(snapshot(of, running()))
    assert decision.failed is not None
    assert decision.failed[0] == "DeadlineExceeded"
    assert [stop.container for stop in decision.stop] == ["main"]


def test_a_deadline_to_come_is_looked_at_in_time() -> None:
    of = pod(activeDeadlineSeconds=10)
    of["status"] = {"startTime": at(-4)[:19] + "Z"}
    assert decide(snapshot(of, running())).requeue_after == pytest.approx(6)


def test_an_image_that_is_not_known_is_not_tried_before_its_time() -> None:
    waiting = Waiting("ImagePullBackOff", "", NOW + timedelta(seconds=5))
    decision = decide(snapshot(pod(), waiting={"main": waiting}))
    assert not decision.start
    assert decision.requeue_after == pytest.approx(5)


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [
        ("Never", 0, "Succeeded"),
        ("Never", 3, "Failed"),
        ("OnFailure", 0, "Succeeded"),
        ("OnFailure", 3, None),
        ("Always", 0, None),
    ],
)
def test_the_final_phase_follows_policy_and_exit_code(policy: str, code: int, phase: str | None) -> None:
    assert final_phase(snapshot(pod(policy), exited(code))) == phase
