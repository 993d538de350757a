"""Initialized: nothing is missing on the node."""

from collections.abc import Callable
from typing import Any

import pytest

from kaito.core.objects import Object
from kaito.provisioner.lifecycle import Progress, conclude, decide, initialize

REGISTERED: dict[str, tuple[str, str, float]] = {
    "MachineLaunched": ("True", "Launched", 20),
    "MachineRegistered": ("True", "Registered", 10),
}


def said(at: Progress) -> tuple[str, str]:
    found = at.machine.condition("MachineInitialized")
    assert found is not None
    return found.status, found.reason or ""


def tainted(key: str, effect: str = "NoSchedule", value: str = "") -> dict[str, Any]:
    return {"spec": {"taints": [{"key": key, "effect": effect, "value": value}]}}


@pytest.mark.parametrize(
    ("node", "spec", "reason"),
    [
        ({"ready": False}, {}, "NodeNotReady"),
        (tainted("wait"), {"startupTaints": [{"key": "wait", "effect": "NoSchedule"}]}, "StartupTaintsExist"),
        (tainted("node.kubernetes.io/not-ready"), {}, "KnownEphemeralTaintsExist"),
        (tainted("node.kubernetes.io/not-ready", "NoExecute"), {}, "KnownEphemeralTaintsExist"),
        (tainted("node.kubernetes.io/unreachable"), {}, "KnownEphemeralTaintsExist"),
        (tainted("node.cloudprovider.kubernetes.io/uninitialized", value="true"), {}, "KnownEphemeralTaintsExist"),
        (tainted("karpenter.sh/unregistered", "NoExecute"), {}, "KnownEphemeralTaintsExist"),
        ({"gpus": "0"}, {}, "ResourceNotRegistered"),
        ({}, {"resources": {"requests": {"example.com/fpga": "1"}}}, "ResourceNotRegistered"),
        ({}, {}, "Initialized"),
        ({}, {"resources": {"requests": {"storage": "1Ti", "nvidia.com/gpu": 1}}}, "Initialized"),
        ({"gpus": "0"}, {"resources": {"requests": {"nvidia.com/gpu": "0"}}}, "Initialized"),
        (tainted("sku", value="gpu"), {}, "Initialized"),
    ],
)
def test_each_gate_holds_the_machine_back(
    progress: Callable[..., Progress],
    new_node: Callable[..., Object],
    node: dict[str, Any],
    spec: dict[str, Any],
    reason: str,
) -> None:
    at = initialize(progress(new_node(**node), conditions=REGISTERED, **spec))
    if reason == "Initialized":
        assert said(at) == ("True", "Initialized")
        assert at.node is not None
        assert at.node.metadata.labels["karpenter.sh/initialized"] == "true"
        assert at.machine.status.allocatable["cpu"] == "6"
    else:
        assert said(at) == ("Unknown", reason)
        assert at.requeue_after == 890
        assert at.notices == ()


def test_a_gpu_that_never_appears_ends_in_a_reason_that_points_at_the_driver(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    late = {**REGISTERED, "MachineRegistered": ("True", "Registered", 900.0)}
    at = initialize(progress(new_node(gpus="0"), conditions=late))
    assert said(at) == ("False", "InitializationTimeout")
    found = at.machine.condition("MachineInitialized")
    assert found is not None
    assert "nvidia.com/gpu" in (found.message or "")
    assert "device plugin" in (found.message or "")
    assert [notice.type for notice in at.notices] == ["Warning"]


def test_what_comes_after_the_limit_still_counts(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    late = {**REGISTERED, "MachineInitialized": ("False", "InitializationTimeout", 5.0)}
    assert said(initialize(progress(new_node(), conditions=late))) == ("True", "Initialized")


def test_once_initialized_a_taint_changes_nothing(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    done = {**REGISTERED, "MachineInitialized": ("True", "Initialized", 5.0)}
    marks = {"karpenter.sh/registered": "true", "karpenter.sh/initialized": "true"}
    node = new_node(
        metadata={"labels": marks, "finalizers": ["karpenter.sh/termination"]},
        **tainted("node.kubernetes.io/not-ready"),
    )
    at = progress(node, conditions=done)
    assert initialize(at) == at


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ("Unknown", "ReconcilingDependents", "MachineLaunched: AwaitingReconciliation")),
        (
            {"MachineLaunched": ("False", "QuotaExceeded", 0.0)},
            ("False", "UnhealthyDependents", "MachineLaunched: QuotaExceeded"),
        ),
        (
            {**REGISTERED, "MachineInitialized": ("True", "Initialized", 0.0)},
            ("True", "Ready", ""),
        ),
    ],
)
def test_ready_sums_the_others_up_and_names_the_first_that_lacks(
    progress: Callable[..., Progress],
    conditions: dict[str, tuple[str, str, float]],
    expected: tuple[str, str, str],
) -> None:
    ready = conclude(decide(progress(conditions=conditions))).machine.condition("Ready") if not conditions else None
    if ready is None:
        ready = conclude(progress(conditions=conditions)).machine.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason, ready.message) == expected


def test_a_fresh_machine_awaits_reconciliation_in_every_condition_and_has_the_finalizer(
    progress: Callable[..., Progress],
) -> None:
    at = decide(progress())
    assert [(one.type, one.status, one.reason) for one in at.machine.status.conditions] == [
        ("MachineLaunched", "Unknown", "AwaitingReconciliation"),
        ("MachineRegistered", "Unknown", "AwaitingReconciliation"),
        ("MachineInitialized", "Unknown", "AwaitingReconciliation"),
        ("Ready", "Unknown", "ReconcilingDependents"),
    ]
    assert at.machine.metadata.finalizers == ("karpenter.sh/termination",)
