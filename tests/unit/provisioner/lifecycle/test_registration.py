"""Registered: the node is found by providerID and marked as ours."""

from collections.abc import Callable
from typing import Any

import pytest

from kaito.core.objects import Object
from kaito.provisioner.lifecycle import Progress, register

LAUNCHED: dict[str, tuple[str, str, float]] = {"MachineLaunched": ("True", "Launched", 10)}
STARTUP = [{"key": "wait", "effect": "NoSchedule"}]


def said(at: Progress) -> tuple[str, str]:
    found = at.machine.condition("MachineRegistered")
    assert found is not None
    return found.status, found.reason or ""


def test_nothing_registers_before_the_launch(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    at = progress(new_node())
    assert register(at) == at


def test_a_node_gets_labels_finalizer_and_taints_and_the_machine_its_name(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    unregistered = {"spec": {"taints": [{"key": "karpenter.sh/unregistered", "effect": "NoExecute"}]}}
    at = register(progress(new_node(**unregistered), conditions=LAUNCHED, startupTaints=STARTUP))
    assert said(at) == ("True", "Registered")
    assert at.machine.status.node_name == "ws1"
    assert at.node is not None
    assert at.node.metadata.labels["karpenter.sh/registered"] == "true"
    assert at.node.metadata.labels["kaito.sh/workspace"] == "phi"
    assert at.node.metadata.finalizers == ("karpenter.sh/termination",)
    assert [(taint.key, taint.effect) for taint in at.node.spec.taints] == [
        ("sku", "NoSchedule"),
        ("wait", "NoSchedule"),
    ]
    assert {notice.on for notice in at.notices} == {"Machine", "Node"}


def test_a_node_without_the_unregistered_taint_still_registers(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    assert said(register(progress(new_node(), conditions=LAUNCHED))) == ("True", "Registered")


def test_startup_taints_come_once(progress: Callable[..., Progress], new_node: Callable[..., Object]) -> None:
    """Also when we died between writing the node and writing the Machine."""
    marked: dict[str, Any] = {"metadata": {"labels": {"karpenter.sh/registered": "true"}}}
    at = register(progress(new_node(**marked), conditions=LAUNCHED, startupTaints=STARTUP))
    assert said(at) == ("True", "Registered")
    assert at.node is not None
    assert at.node.spec.taints == ()


@pytest.mark.parametrize(
    ("launched_ago", "expected"),
    [(10, ("Unknown", "NodeNotFound")), (899, ("Unknown", "NodeNotFound")), (900, ("False", "RegistrationTimeout"))],
)
def test_a_missing_node_is_waited_for_and_then_given_up(
    progress: Callable[..., Progress], launched_ago: float, expected: tuple[str, str]
) -> None:
    at = register(progress(conditions={"MachineLaunched": ("True", "Launched", launched_ago)}, age=launched_ago))
    assert said(at) == expected
    found = at.machine.condition("MachineRegistered")
    assert found is not None
    if expected[0] == "Unknown":
        assert at.requeue_after == 900 - launched_ago
        assert "given up at 2026-01-02T03:" in (found.message or "")
    else:
        assert at.requeue_after is None
        assert "See the logs." in (found.message or "")
        assert register(at).machine == at.machine, "given up stays given up"


def test_a_node_that_comes_after_the_limit_registers(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    late = {**LAUNCHED, "MachineRegistered": ("False", "RegistrationTimeout", 5.0)}
    assert said(register(progress(new_node(), conditions=late))) == ("True", "Registered")


def test_two_nodes_with_one_provider_id_are_an_error(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    at = register(progress(new_node("a"), new_node("b"), conditions=LAUNCHED))
    assert said(at) == ("False", "MultipleNodesFound")


def test_a_registered_node_that_lost_its_marks_gets_them_again(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    at = register(progress(new_node(), conditions={**LAUNCHED, "MachineRegistered": ("True", "Registered", 5)}))
    assert at.node is not None
    assert at.node.metadata.labels["karpenter.sh/registered"] == "true"
    assert at.notices == ()
