"""MachineReconciler from a new Machine to none, on an API server in memory and the local cloud."""

import asyncio
import contextlib
from typing import Any

import pytest

from kaito.core.errors import KaitoError
from kaito.core.objects import Key

QUOTA_0 = "quota: {Standard_NC6s_v3: 0}"
READY_CONDITIONS = ("MachineLaunched", "MachineRegistered", "MachineInitialized", "Ready")


async def settle(world: Any, name: str = "ws1", rounds: int = 12) -> None:
    """Reconcile until nothing is written any more, as events would."""
    for _ in range(rounds):
        before = len(world.server.requests)
        await world.reconcile(name)
        if len(world.server.requests) == before:
            return
    pytest.fail(f"still writing after {rounds} rounds: {world.server.requests[-5:]}")


async def ready_machine(world: Any, new_machine: Any) -> None:
    world.server.add(new_machine())
    await settle(world)
    world.boot()
    await settle(world)


async def let_go(world: Any, name: str = "ws1") -> None:
    """Play the machine room and the kubelet while the Machine is reconciled away."""
    for _ in range(20):
        if not world.exists("Machine", name):
            return
        await world.reconcile(name)
        for kind, key in list(world.server.objects):
            if kind == "Pod" and world.server.objects[kind, key]["metadata"].get("deletionTimestamp"):
                del world.server.objects[kind, key]
        instance = world.instances.read(name)
        if instance is not None and instance.state == "terminating":
            world.instances.remove(name)
    pytest.fail(f"Machine {name} stays: {world.server.requests[-5:]}")


async def test_a_machine_becomes_a_ready_node(world: Any, new_machine: Any) -> None:
    world.server.add(new_machine())
    assert await world.reconcile() == pytest.approx(900, abs=1), "only the time-out is left to wait for"
    assert world.server.requests == [
        "PATCH Machine ws1",
        "PATCH Machine ws1/status",
        "PATCH Machine ws1",
        "PATCH Machine ws1/status",
    ], "finalizer and conditions before the create, labels and status after it"
    assert world.said("MachineLaunched") == ("True", "Launched")
    assert world.said("MachineRegistered") == ("Unknown", "NodeNotFound")
    world.boot(ready=False)
    await world.reconcile()
    assert world.said("MachineInitialized") == ("Unknown", "NodeNotReady")
    world.server.objects["Node", Key("", "ws1")]["status"]["conditions"][0]["status"] = "True"
    assert await world.reconcile() is None
    assert [world.said(one)[0] for one in READY_CONDITIONS] == ["True"] * 4
    machine = world.machine()
    assert machine.status.node_name == "ws1"
    assert machine.metadata.labels["node.kubernetes.io/instance-type"] == "Standard_NC6s_v3"
    node = world.node()
    assert node.metadata.labels["kaito.sh/workspace"] == "phi"
    assert {node.metadata.labels[f"karpenter.sh/{one}"] for one in ("registered", "initialized")} == {"true"}
    assert world.server.reasons() == ["Launched", "Registered", "Initialized"]
    assert world.server.reasons("Node") == ["Registered", "Initialized"]


async def test_a_second_reconcile_without_change_makes_no_request(world: Any, new_machine: Any) -> None:
    await ready_machine(world, new_machine)
    before = list(world.server.requests)
    await world.reconcile()
    world.restart()
    await world.reconcile()
    assert world.server.requests == before


async def test_the_finalizer_is_there_before_the_cloud_is_asked(world: Any, new_machine: Any) -> None:
    world.server.add(new_machine())
    seen: list[tuple[str, ...]] = []

    async def create(claim: Any) -> Any:
        seen.append(world.machine(claim.name).metadata.finalizers)
        assert world.said("MachineLaunched") == ("Unknown", "AwaitingReconciliation")
        raise KaitoError("Stop", "no")

    world.cloud.create = create
    await world.reconcile()
    assert seen == [("karpenter.sh/termination",)]
    assert world.said("MachineLaunched") == ("Unknown", "Stop")


async def test_out_of_quota_is_final_named_once_and_goes_on_when_the_quota_is_raised(
    world: Any, new_machine: Any
) -> None:
    world.cloud_says(QUOTA_0)
    world.server.add(new_machine())
    assert await world.reconcile() == 60
    assert world.said("MachineLaunched") == ("False", "QuotaExceeded")
    assert world.machine().metadata.labels["node.kubernetes.io/instance-type"] == "Standard_NC6s_v3"
    message = world.machine().condition("MachineLaunched").message
    assert "all requested instance types were unavailable during launch" in message
    assert "kaito cloud quota Standard_NC6s_v3 1" in message[:256]
    assert world.server.reasons() == ["QuotaExceeded"]
    written = len(world.server.requests)
    for _ in range(3):
        world.clock.passed += 60
        await world.reconcile()
    world.restart()
    await world.reconcile()
    assert len(world.server.requests) == written, "the same refusal again is not written again"
    assert world.metric(
        "karpenter_cloudprovider_errors_total",
        controller="machine",
        method="Create",
        provider="local",
        error="QuotaExceeded",
    )
    assert world.reconciler.tries.changed(world.cloud.revision()) == []
    world.cloud_says("quota: {Standard_NC6s_v3: 1}")
    assert world.reconciler.tries.changed(world.cloud.revision()) == ["ws1"]
    await world.reconcile()
    assert world.said("MachineLaunched") == ("True", "Launched")
    assert not world.reconciler.tries


async def test_a_refused_claim_does_not_ask_the_cloud_again_before_its_time(world: Any, new_machine: Any) -> None:
    world.cloud_says(QUOTA_0)
    world.server.add(new_machine())
    await world.reconcile()
    world.clock.passed += 10
    assert await world.reconcile() == pytest.approx(50, abs=0.5)
    count = world.metric(
        "karpenter_cloudprovider_duration_seconds_count", controller="machine", method="Create", provider="local"
    )
    assert count == 1


async def test_a_changed_machine_is_tried_again_at_once(world: Any, new_machine: Any) -> None:
    world.cloud_says("unavailable: [Standard_NC6s_v3]")
    world.server.add(new_machine())
    assert await world.reconcile() is None
    assert world.said("MachineLaunched") == ("False", "SKUNotAvailable")
    requirement = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["Standard_NC24ads_A100_v4"]}
    stored = world.server.objects["Machine", Key("", "ws1")]
    stored["spec"]["requirements"] = [requirement]
    stored["metadata"]["generation"] += 1
    await world.reconcile()
    assert world.said("MachineLaunched") == ("True", "Launched")


async def test_out_of_capacity_is_retried_with_growing_pauses(world: Any, new_machine: Any) -> None:
    world.cloud_says("out_of_capacity: [Standard_NC6s_v3]")
    world.server.add(new_machine())
    pauses = []
    for _ in range(4):
        pause = await world.reconcile()
        pauses.append(round(pause))
        world.clock.passed += pause
    assert pauses == [5, 10, 20, 40]
    assert world.said("MachineLaunched") == ("Unknown", "InsufficientCapacity")
    assert "Next retry at" in world.machine().condition("MachineLaunched").message
    assert world.server.reasons() == ["InsufficientCapacity"], "one event, not one for every try"


async def test_two_machines_at_the_same_moment_under_a_quota_of_one_get_one_instance(
    world: Any, new_machine: Any
) -> None:
    world.cloud_says("quota: {Standard_NC6s_v3: 1}")
    for name in ("ws1", "ws2"):
        world.server.add(new_machine(name))
    await asyncio.gather(world.reconcile("ws1"), world.reconcile("ws2"))
    assert len(world.instances.names()) == 1
    assert sorted(world.said("MachineLaunched", name)[0] for name in ("ws1", "ws2")) == ["False", "True"]


async def test_deletion_drains_then_removes_instance_node_and_machine(world: Any, new_machine: Any) -> None:
    await ready_machine(world, new_machine)
    pod = {"kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "ws1"}}
    world.server.add({**pod, "apiVersion": "v1"})
    await world.server.delete(type(world).machine_kind, Key("", "ws1"))
    before = len(world.server.requests)
    await let_go(world)
    assert not world.exists("Node")
    assert world.instances.names() == []
    done = world.server.requests[before:]
    assert done.index("EVICT web") < done.index("DELETE Node ws1")
    assert done[-1] == "PATCH Machine ws1"
    assert world.metric("karpenter_machines_terminated_total", provisioner="default") == 1


async def test_a_disruption_budget_holds_the_drain_until_the_limit_and_is_told(world: Any, new_machine: Any) -> None:
    await ready_machine(world, new_machine)
    world.server.add({"kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "ws1"}})
    world.server.protected.add("web")
    await world.server.delete(type(world).machine_kind, Key("", "ws1"))
    await world.reconcile()
    assert world.said("Ready") == ("False", "Draining")
    assert "FailedDraining" in world.server.reasons("Node")
    assert world.instances.read("ws1").state == "running"
    world.clock.passed += world.limits.drain
    await let_go(world)
    assert world.instances.names() == []


@pytest.mark.parametrize("when", ["before the first reconcile", "after the launch", "refused"])
async def test_deletion_works_when_the_node_never_came(world: Any, new_machine: Any, when: str) -> None:
    if when == "refused":
        world.cloud_says(QUOTA_0)
    world.server.add(new_machine())
    if when != "before the first reconcile":
        await world.reconcile()
    await world.server.delete(type(world).machine_kind, Key("", "ws1"))
    await let_go(world)
    assert world.instances.names() == []


async def test_deleting_the_node_takes_machine_and_instance_with_it(world: Any, new_machine: Any) -> None:
    await ready_machine(world, new_machine)
    await world.server.delete(type(world).node_kind, Key("", "ws1"))
    await let_go(world)
    assert not world.exists("Node")
    assert world.instances.names() == []


async def test_a_vanished_instance_ends_the_machine_with_a_reason(world: Any, new_machine: Any) -> None:
    await ready_machine(world, new_machine)
    world.instances.remove("ws1")
    await world.reconcile()
    assert world.said("MachineLaunched") == ("True", "Launched"), "a Ready node is proof of its instance"
    world.server.objects["Node", Key("", "ws1")]["status"]["conditions"][0]["status"] = "Unknown"
    await world.reconcile()
    assert world.said("MachineLaunched") == ("False", "InstanceVanished")
    assert world.machine().metadata.deletion_timestamp
    assert world.metric("karpenter_machines_disrupted_total", provisioner="default", reason="InstanceVanished") == 1
    await let_go(world)
    assert not world.exists("Node")


async def test_a_suspect_that_has_no_node_yet_is_checked_with_the_cloud(world: Any, new_machine: Any) -> None:
    world.server.add(new_machine())
    await settle(world)
    world.reconciler.suspect("ws1")
    await world.reconcile()
    assert world.said("MachineLaunched") == ("True", "Launched"), "the list was only older than the instance"
    world.instances.remove("ws1")
    world.reconciler.suspect("ws1")
    await world.reconcile()
    assert world.said("MachineLaunched") == ("False", "InstanceVanished")
    assert world.instances.names() == [], "a claim that is given up buys nothing"


@pytest.mark.parametrize("crash_after", range(12))
async def test_a_crash_after_any_write_ends_the_same_with_one_instance(
    world: Any, new_machine: Any, crash_after: int
) -> None:
    names = world.instances.names

    async def live() -> None:
        await settle(world)
        if not world.exists("Node"):
            world.boot()
        await settle(world)

    world.server.add(new_machine(startupTaints=[{"key": "wait", "effect": "NoSchedule"}]))
    world.server.crash_after = crash_after
    with contextlib.suppress(type(world).crash):
        await live()
    world.server.crash_after = None
    world.restart()
    await live()
    node = world.server.objects["Node", Key("", "ws1")]
    assert [taint["key"] for taint in node["spec"]["taints"]].count("wait") == 1
    node["spec"]["taints"] = [taint for taint in node["spec"]["taints"] if taint["key"] != "wait"]
    await settle(world)
    assert names() == ["ws1"]
    assert [world.said(one)[0] for one in READY_CONDITIONS] == ["True"] * 4
    assert [taint["key"] for taint in world.server.objects["Node", Key("", "ws1")]["spec"]["taints"]] == ["sku"]


async def test_a_crash_between_the_create_and_its_first_write_adopts_the_instance(world: Any, new_machine: Any) -> None:
    world.server.add(new_machine())
    create = world.cloud.create

    async def create_and_die(claim: Any) -> None:
        await create(claim)
        raise type(world).crash

    world.cloud.create = create_and_die
    with pytest.raises(type(world).crash):
        await world.reconcile()
    made = world.instances.read("ws1").created_at
    world.restart()
    world.clock.passed += 5
    await settle(world)
    assert world.said("MachineLaunched") == ("True", "Launched")
    assert (world.instances.names(), world.instances.read("ws1").created_at) == (["ws1"], made)


@pytest.mark.parametrize("crash_after", range(8))
async def test_a_crash_after_any_write_of_a_termination_still_removes_all(
    world: Any, new_machine: Any, crash_after: int
) -> None:
    await ready_machine(world, new_machine)
    await world.server.delete(type(world).machine_kind, Key("", "ws1"))
    world.server.crash_after = len(world.server.requests) + crash_after
    with contextlib.suppress(type(world).crash):
        await let_go(world)
    world.server.crash_after = None
    world.restart()
    if world.exists("Machine"):
        await let_go(world)
    assert not world.exists("Node")
    assert world.instances.names() == []


async def test_a_stale_machine_is_a_conflict_and_buys_nothing(world: Any, new_machine: Any) -> None:
    world.server.add(new_machine())
    stale = world.machine()
    world.server.objects["Machine", Key("", "ws1")]["metadata"]["uid"] = "another"
    cache = world.reconciler._cache
    get, cache.get = cache.get, lambda kind, key: stale
    with pytest.raises(KaitoError, match="another one"):
        await world.reconcile()
    cache.get = get
    assert world.instances.names() == []
