from datetime import UTC, datetime

import pytest

from kaito.apiserver.table import builtin_table

NOW = datetime(2026, 1, 2, 3, 10, 0, tzinfo=UTC)
RUNNING = {"state": {"running": {}}, "ready": True}
COMPLETED = {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
INITIALIZED = {"type": "Initialized", "status": "True"}


def waiting(reason):
    return {"state": {"waiting": {"reason": reason}}}


def failed(**terminated):
    return {"state": {"terminated": {"exitCode": 1, **terminated}}}


def pod(statuses=(), init=(), phase="Running", metadata=None, spec=None, sidecars=0, **status):
    named = lambda prefix, items: [{"name": f"{prefix}{n}", **item} for n, item in enumerate(items)]  # noqa: E731
    initial = [{"name": f"i{n}", **({"restartPolicy": "Always"} if n < sidecars else {})} for n in range(len(init))]
    return {
        "metadata": {"name": "p", "creationTimestamp": "2026-01-02T03:00:00Z", **(metadata or {})},
        "spec": {
            "containers": [{"name": f"c{n}"} for n in range(len(statuses) or 1)],
            "initContainers": initial,
            **(spec or {}),
        },
        "status": {
            "phase": phase,
            "containerStatuses": named("c", statuses),
            "initContainerStatuses": named("i", init),
            **status,
        },
    }


def cells(obj):
    return builtin_table("v1", "Pod", [obj], NOW)["rows"][0]["cells"]


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (pod(phase="Pending"), "0/1", "Pending"),
        (pod([RUNNING]), "1/1", "Running"),
        (pod([RUNNING, {**RUNNING, "ready": False}]), "1/2", "Running"),
        (pod([waiting("ContainerCreating")], phase="Pending"), "0/1", "ContainerCreating"),
        (pod([waiting("CrashLoopBackOff")]), "0/1", "CrashLoopBackOff"),
        (pod([waiting("ImagePullBackOff")], phase="Pending"), "0/1", "ImagePullBackOff"),
        (pod([COMPLETED], phase="Succeeded"), "0/1", "Completed"),
        (pod([failed(reason="Error")], phase="Failed"), "0/1", "Error"),
        (pod([failed(reason="OOMKilled")]), "0/1", "OOMKilled"),
        (pod([failed(exitCode=3)], phase="Failed"), "0/1", "ExitCode:3"),
        (pod([failed(signal=9)], phase="Failed"), "0/1", "Signal:9"),
        (pod([COMPLETED, RUNNING]), "1/2", "NotReady"),
        (pod([COMPLETED, RUNNING], conditions=[{"type": "Ready", "status": "True"}]), "1/2", "Running"),
        (pod([], reason="Evicted", phase="Failed"), "0/1", "Evicted"),
        (pod([waiting("PodInitializing")], [RUNNING, waiting("PodInitializing")], phase="Pending"), "0/1", "Init:0/2"),
        (pod([waiting("PodInitializing")], [COMPLETED, RUNNING], phase="Pending"), "0/1", "Init:1/2"),
        (pod([], [waiting("CrashLoopBackOff")], phase="Pending"), "0/1", "Init:CrashLoopBackOff"),
        (pod([], [failed(reason="Error")], phase="Pending"), "0/1", "Init:Error"),
        (pod([], [failed(exitCode=7)], phase="Pending"), "0/1", "Init:ExitCode:7"),
        (pod([RUNNING], [COMPLETED]), "1/1", "Running"),
        (pod([RUNNING], [{**RUNNING, "started": True}], sidecars=1), "2/2", "Running"),
        (pod([RUNNING], metadata={"deletionTimestamp": "t"}), "1/1", "Terminating"),
        (pod([COMPLETED], phase="Succeeded", metadata={"deletionTimestamp": "t"}), "0/1", "Completed"),
        (pod([RUNNING], reason="NodeLost", metadata={"deletionTimestamp": "t"}), "1/1", "Unknown"),
        (
            pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
            "0/1",
            "SchedulingGated",
        ),
    ],
)
def test_ready_and_status_are_what_kubectl_shows(obj, ready, status):
    assert cells(obj)[1:3] == [ready, status]


def restarted(count, finished=""):
    last = {"lastState": {"terminated": {"finishedAt": finished}}} if finished else {}
    return {**RUNNING, "restartCount": count, **last}


@pytest.mark.parametrize(
    ("obj", "restarts"),
    [
        (pod([RUNNING]), "0"),
        (pod([restarted(2)]), "2"),
        (pod([restarted(2, "2026-01-02T03:05:00Z")]), "2 (5m ago)"),
        (pod([restarted(1, "2026-01-02T03:05:00Z"), restarted(2, "2026-01-02T03:09:30Z")]), "3 (30s ago)"),
        (pod([RUNNING], [{**COMPLETED, "restartCount": 4}]), "0"),
        (pod([], [{**waiting("CrashLoopBackOff"), "restartCount": 4}], phase="Pending"), "4"),
    ],
)
def test_restarts_count_what_matters_now(obj, restarts):
    assert cells(obj)[3] == restarts


def test_wide_columns_say_where_the_pod_runs():
    obj = pod(
        [RUNNING], podIPs=[{"ip": "10.0.0.1"}], spec={"nodeName": "n", "readinessGates": [{"conditionType": "G"}]}
    )
    assert cells(obj)[4:] == ["10m", "10.0.0.1", "n", "<none>", "0/1"]
    assert cells(pod())[5:] == ["<none>"] * 4
