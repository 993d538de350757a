"""What a pod's status says it waits for."""

import pytest

from kaito.controllers.workspace.diagnosis import diagnose


def waiting(reason, message="why", **more):
    return {
        "containerStatuses": [
            {"name": "phi", "image": "img", "state": {"waiting": {"reason": reason, "message": message}}, **more}
        ]
    }


CRASH = {"lastState": {"terminated": {"exitCode": 3, "message": "no such weights"}}, "restartCount": 2}
KILLED = {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "restartCount": 1}
INIT = {"initContainerStatuses": [{"name": "stand-in-weights", "state": {"running": {}}}], **waiting("PodInitializing")}
INIT_FAILED = {
    "initContainerStatuses": [
        {"name": "stand-in-weights", "state": {"terminated": {"exitCode": 1, "message": "disk full"}}}
    ],
    **waiting("PodInitializing"),
}
CASES = [
    ({"phase": "Pending"}, "PodPending", False, "node n1"),
    (
        {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]},
        "Unschedulable",
        True,
        "0/3 nodes",
    ),
    ({"reason": "Evicted", "message": "disk pressure"}, "PodEvicted", True, "disk pressure"),
    (waiting("ImagePullBackOff"), "ImagePullFailed", True, "img"),
    (waiting("ErrImagePull"), "ImagePullFailed", True, "why"),
    (waiting("CreateContainerConfigError", "secret not found"), "ContainerStartFailed", True, "secret not found"),
    (waiting("CrashLoopBackOff", **CRASH), "ContainerCrashed", True, "exit code 3, 2 restarts so far: no such weights"),
    (waiting("CrashLoopBackOff", **KILLED), "OutOfMemory", True, "memory"),
    (INIT, "PreparingWeights", False, "stand-in-weights"),
    (INIT_FAILED, "ContainerCrashed", True, "disk full"),
    ({"containerStatuses": [{"name": "phi", "state": {"running": {}}}]}, "StartingServer", False, "starts"),
]


@pytest.mark.parametrize(("status", "reason", "wrong", "said"), CASES, ids=[row[1] for row in CASES])
def test_the_first_cause_in_the_order_of_a_start_is_named(a, status, reason, wrong, said):
    wait = diagnose(a.pod(status))
    assert wait.reason == reason
    assert said in wait.message
    assert (wait.trouble is not None) == wrong
    if wrong:
        assert wait.trouble.remedy


def test_a_container_that_runs_again_is_not_called_crashed(a):
    status = {"containerStatuses": [{"name": "phi", "state": {"running": {}}, **CRASH}]}
    assert diagnose(a.pod(status)).reason == "StartingServer"
