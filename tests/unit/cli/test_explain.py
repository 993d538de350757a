"""The chain of causes."""

from typing import Any

import pytest

from kaito.cli.explain import chain, last_event, pod_state


def workspace(phase: str, message: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "w"}, "status": {"phase": phase, "message": message, **status}}


def test_the_chain_goes_from_the_workspace_to_the_remedy() -> None:
    conditions = [
        {"type": "ResourceReady", "status": "False", "reason": "QuotaExceeded", "message": "no node"},
        {"type": "WorkspaceReady", "status": "False", "reason": "QuotaExceeded", "message": "no quota"},
    ]
    failure = {"reason": "QuotaExceeded", "message": "no quota", "remedy": "kaito cloud quota X 1", "terminal": True}
    machine = {
        "metadata": {"name": "ws1"},
        "status": {
            "conditions": [
                {
                    "type": "MachineLaunched",
                    "status": "False",
                    "severity": "Error",
                    "reason": "QuotaExceeded",
                    "message": "0 of 0 left",
                }
            ]
        },
    }
    event = {
        "type": "Warning",
        "reason": "LaunchFailed",
        "message": "refused",
        "lastTimestamp": "2026-01-02T00:00:00Z",
        "involvedObject": {"kind": "Machine", "name": "ws1"},
    }
    links = chain(workspace("Failed", "no quota", conditions=conditions, lastFailure=failure), [machine], [], [event])
    assert [(link.what, link.state) for link in links] == [
        ("Workspace w", "failed"),
        ("condition ResourceReady", "waiting"),
        ("Machine ws1", "failed"),
        ("event of Machine ws1", "waiting"),
        ("remedy", "failed"),
    ]
    assert links[-1].message == "kaito cloud quota X 1"


def test_what_was_said_once_is_not_said_again() -> None:
    conditions = [{"type": "WorkspaceReady", "status": "False", "reason": "X", "message": "no quota"}]
    event = {"type": "Warning", "reason": "X", "message": "no quota"}
    failure = {"remedy": "ask for more"}
    said = workspace("Failed", "no quota: ask for more", conditions=conditions, lastFailure=failure)
    assert [link.what for link in chain(said, [], [], [event])] == ["Workspace w"]


def test_a_ready_workspace_has_no_complaints() -> None:
    pod = {"metadata": {"name": "p"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    event = {"type": "Warning", "reason": "Old", "message": "x"}
    conditions = [{"type": "WorkspaceSucceeded", "status": "False", "message": "serves"}]
    links = chain(workspace("Ready", "answers", conditions=conditions), [], [pod], [event])
    assert [(link.what, link.state) for link in links] == [("Workspace w", "ok"), ("Pod p", "ok")]


def test_a_workspace_that_nobody_has_seen_says_so() -> None:
    (link,) = chain({"metadata": {"name": "w"}}, [], [], [])
    assert "not seen by the controller" in link.message


@pytest.mark.parametrize(
    ("status", "state", "text"),
    [
        (
            {
                "containerStatuses": [
                    {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}}}
                ]
            },
            "failed",
            "CrashLoopBackOff: m",
        ),
        (
            {"initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 1, "message": "bad"}}}]},
            "failed",
            "container i exited 1: bad",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}]},
            "waiting",
            "Unschedulable: 0/1",
        ),
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}, "waiting", "Running, not ready"),
        (
            {"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "PodInitializing"}}}]},
            "waiting",
            "Pend",
        ),
    ],
)
def test_a_pod_says_what_it_waits_for(status: Any, state: str, text: str) -> None:
    found, message = pod_state({"status": status})
    assert found == state
    assert message.startswith(text)


def test_the_newest_warning_is_told_before_newer_normal_events() -> None:
    warning = {"type": "Warning", "lastTimestamp": "2026-01-01T00:00:00Z", "reason": "W"}
    older = {"type": "Warning", "lastTimestamp": "2025-01-01T00:00:00Z", "reason": "O"}
    normal = {"type": "Normal", "lastTimestamp": "2026-01-02T00:00:00Z", "reason": "N"}
    assert last_event([older, normal, warning]) is warning
    assert last_event([normal]) is normal
    assert last_event([]) is None
