import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kaito.local.node.lifecycle import Snapshot, Waiting
from kaito.local.node.probe_state import Verdict
from kaito.local.node.records import Record
from kaito.local.node.status import pod_status, qos_class, same_status

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNNING = {"running": {"startedAt": "2026-01-02T03:00:00Z"}}
UP = {"main": Verdict(started=True, ready=True)}


def record(phase: Any, code: int = 0, attempt: int = 0, **more: Any) -> Record:
    times = {"started_at": "2026-01-02T03:00:00.000000000Z"}
    if phase == "exited":
        times["finished_at"] = "2026-01-02T03:04:04.000000000Z"
        more.setdefault("reason", "Completed" if code == 0 else "Error")
    return Record(uid="u", name="main", attempt=attempt, phase=phase, exit_code=code, **times, **more)


def pod(policy: str = "Always", **spec: Any) -> dict[str, Any]:
    body = {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": policy, **spec}
    return {"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": body}


def status(of: dict[str, Any], *records: Record, **more: Any) -> dict[str, Any]:
    snapshot = Snapshot(
        of, NOW, {"main": records} if records else {}, pod_ip="127.244.1.2", host_ip="127.244.1.1", **more
    )
    return pod_status(snapshot)


def condition(of: dict[str, Any], kind: str) -> tuple[str, str]:
    found = next(each for each in of["conditions"] if each["type"] == kind)
    return found["status"], found.get("reason", "")


@pytest.mark.parametrize(
    ("case", "of", "records", "phase", "state"),
    [
        ("nothing runs yet", pod(), (), "Pending", {"waiting": {"reason": "ContainerCreating"}}),
        ("its shim has begun", pod(), (record("starting"),), "Pending", {"waiting": {"reason": "ContainerCreating"}}),
        ("it runs", pod(), (record("running"),), "Running", RUNNING),
        ("it runs again", pod(), (record("exited", 1), record("running", attempt=1)), "Running", RUNNING),
    ],
)
def test_phase_and_state_of_a_pod_that_lives(case: str, of: Any, records: Any, phase: str, state: Any) -> None:
    found = status(of, *records, probes=UP)
    assert (found["phase"], found["containerStatuses"][0]["state"]) == (phase, state), case


@pytest.mark.parametrize(
    ("policy", "code", "phase", "reason"),
    [
        ("Never", 0, "Succeeded", "PodCompleted"),
        ("Never", 2, "Failed", "PodFailed"),
        ("OnFailure", 0, "Succeeded", "PodCompleted"),
    ],
)
def test_a_pod_that_has_ended_says_how(policy: str, code: int, phase: str, reason: str) -> None:
    found = status(pod(policy), record("exited", code))
    assert found["phase"] == phase
    assert found["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert condition(found, "Ready") == ("False", reason)


def test_a_crash_loop_says_its_pause_and_the_last_end() -> None:
    found = status(pod(), record("exited", 3, attempt=4, backoff=160))
    main = found["containerStatuses"][0]
    assert main["state"]["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": "back-off 2m40s restarting failed container=main pod=p_d(u)",
    }
    assert main["lastState"]["terminated"]["exitCode"] == 3
    assert (main["restartCount"], main["ready"], main["started"]) == (4, False, False)
    assert found["phase"] == "Running"


def test_readiness_is_the_probes_verdict() -> None:
    unready = status(pod(), record("running"), probes={"main": Verdict(started=True, ready=False)})
    assert condition(unready, "Ready") == ("False", "ContainersNotReady")
    ready = status(pod(), record("running"), probes=UP)
    assert condition(ready, "Ready") == ("True", "")
    assert condition(ready, "ContainersReady") == ("True", "")


def test_a_readiness_gate_that_is_closed_keeps_the_pod_unready() -> None:
    of = pod(readinessGates=[{"conditionType": "example.org/gate"}])
    assert condition(status(of, record("running"), probes=UP), "Ready") == ("False", "ReadinessGatesNotReady")
    of["status"] = {"conditions": [{"type": "example.org/gate", "status": "True"}]}
    found = status(of, record("running"), probes=UP)
    assert condition(found, "Ready") == ("True", "")
    assert found["conditions"][-1]["type"] == "example.org/gate"


def test_containers_wait_for_the_init_containers_by_name() -> None:
    of = pod(initContainers=[{"name": "prepare"}])
    found = status(of)
    assert found["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    assert condition(found, "Initialized") == ("False", "ContainersNotInitialized")


def test_a_failed_preparation_is_the_waiting_reason() -> None:
    found = status(pod(), waiting={"main": Waiting("CreateContainerConfigError", 'secret "s" not found.')})
    assert found["containerStatuses"][0]["state"]["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": 'secret "s" not found.',
    }


def test_a_transition_time_changes_with_the_status_alone() -> None:
    of = pod()
    of["status"] = status(of, record("running"), probes=UP)
    later = Snapshot(
        of, NOW + timedelta(minutes=5), {"main": (record("running"),)}, UP, host_ip="127.244.1.1", pod_ip="127.244.1.2"
    )
    assert same_status(of["status"], pod_status(later))


@pytest.mark.parametrize("change", [{"phase": "Failed"}, {"podIP": "127.244.1.9"}])
def test_a_difference_is_seen(change: dict[str, str]) -> None:
    of = status(pod(), record("running"), probes=UP)
    assert not same_status({**copy.deepcopy(of), **change}, of)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"limits": {"nvidia.com/gpu": "1"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_qos_class(resources: Any, expected: str) -> None:
    assert qos_class({"spec": {"containers": [{"name": "main", "resources": resources}]}}) == expected
