"""The way out, step by step."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kaito.core.objects import Object
from kaito.provisioner.clouds import Instance
from kaito.provisioner.lifecycle import Farewell, Progress, Remains, terminate
from kaito.provisioner.limits import Limits
from kaito.provisioner.node import Pod

NOW = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
FINALIZED = {"metadata": {"finalizers": ["karpenter.sh/termination"]}}


def pod(name: str = "web") -> Pod:
    return msgspec.convert({"metadata": {"name": name, "namespace": "default", "uid": name}}, Pod)


def step(
    at: Progress, instance: Instance | None, pods: tuple[Pod, ...] = (), *, after: float = 0, since: float = 0
) -> Farewell:
    deleted = (NOW - timedelta(seconds=since)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = at.machine.metadata.model_copy(update={"deletion_timestamp": deleted})
    machine = at.machine.model_copy(update={"metadata": metadata})
    return terminate(Remains(machine, at.nodes, pods, instance, 0.2), Limits(), NOW + timedelta(seconds=after))


def ready_of(farewell: Farewell) -> tuple[str, str]:
    found = farewell.machine.condition("Ready")
    assert found is not None
    return found.reason or "", found.message or ""


def test_first_the_node_is_closed_and_its_pods_are_asked_to_leave(
    progress: Callable[..., Progress], new_node: Callable[..., Object], instance: Instance
) -> None:
    said = step(progress(new_node(**FINALIZED)), instance, (pod(),))
    assert [one.spec.unschedulable for one in said.nodes] == [True]
    assert [(taint.key, taint.effect) for taint in said.nodes[0].spec.taints] == [
        ("karpenter.sh/disrupted", "NoSchedule")
    ]
    label = said.nodes[0].metadata.labels["node.kubernetes.io/exclude-from-external-load-balancers"]
    assert label == "karpenter"
    assert said.evict == (pod(),)
    assert not said.delete_instance
    assert said.delete_nodes == ()
    assert ready_of(said) == ("Draining", "Waiting for 1 pods to leave: default/web.")
    assert said.poll == Limits().drain_poll
    assert {notice.reason for notice in said.notices} == {"DisruptionTerminating"}


def test_pods_that_will_not_go_are_deleted_and_at_last_left_behind(
    progress: Callable[..., Progress], new_node: Callable[..., Object], instance: Instance
) -> None:
    at = progress(new_node(**FINALIZED))
    assert step(at, instance, (pod(),), since=299).evict == (pod(),)
    forced = step(at, instance, (pod(),), since=300)
    assert (forced.evict, forced.delete_pods) == ((), (pod(),))
    assert step(at, instance, (pod(),), since=360).delete_instance


def test_then_node_and_instance_are_deleted_but_the_machine_stays(
    progress: Callable[..., Progress], new_node: Callable[..., Object], instance: Instance
) -> None:
    said = step(progress(new_node(**FINALIZED)), instance)
    assert said.delete_instance
    assert [node.metadata.name for node in said.delete_nodes] == ["ws1"]
    assert said.nodes[0].metadata.finalizers == ("karpenter.sh/termination",), "the node outlives the instance"
    assert not said.release
    assert said.poll == 0.2
    assert ready_of(said)[0] == "InstanceTerminating"


def test_an_instance_that_is_terminating_is_not_deleted_again(
    progress: Callable[..., Progress], instance: Instance
) -> None:
    assert not step(progress(), replace(instance, terminating=True)).delete_instance


def test_without_an_instance_the_nodes_are_released_first_and_the_machine_last(
    progress: Callable[..., Progress], new_node: Callable[..., Object]
) -> None:
    said = step(progress(new_node(**FINALIZED)), None, (pod(),))
    assert [node.metadata.finalizers for node in said.nodes] == [()]
    assert len(said.delete_nodes) == 1
    assert not said.release
    assert said.evict == ()
    assert step(progress(), None).release


def test_a_node_that_never_came_is_not_waited_for(progress: Callable[..., Progress], instance: Instance) -> None:
    said = step(progress(), instance)
    assert said.delete_instance
    assert said.delete_nodes == ()


def test_an_instance_that_was_not_written_down_yet_is_written_down_so_that_its_node_is_found(
    progress: Callable[..., Progress], instance: Instance
) -> None:
    at = progress()
    status = at.machine.status.model_copy(update={"provider_id": None})
    at = replace(at, machine=at.machine.model_copy(update={"status": status}))
    assert step(at, instance).machine.status.provider_id == "local:///ws1"


@pytest.mark.parametrize("pods", [(), (pod(),)])
def test_the_same_remains_give_the_same_step_and_no_second_event(
    progress: Callable[..., Progress], new_node: Callable[..., Object], instance: Instance, pods: tuple[Pod, ...]
) -> None:
    at = progress(new_node(**FINALIZED))
    once = step(at, instance, pods)
    again = step(replace(at, machine=once.machine, nodes=once.nodes), instance, pods)
    assert again.machine.status == once.machine.status
    assert again.nodes == once.nodes
    assert again.notices == ()
