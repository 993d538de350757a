"""Leaks are found, and nothing else is touched."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from kaito.core.objects import Key
from kaito.provisioner.act import Writer
from kaito.provisioner.clouds import Claim, Instance
from kaito.provisioner.garbage import GarbageCollector, find_garbage
from kaito.provisioner.limits import Limits
from kaito.provisioner.metrics import ProvisionerMetrics

OURS = {"metadata": {"finalizers": ["karpenter.sh/termination"], "labels": {"karpenter.sh/registered": "true"}}}


def test_only_old_instances_without_a_machine_are_garbage(instance: Instance, world: Any) -> None:
    now = instance.created_at + timedelta(seconds=30)
    young = replace(instance, name="young", created_at=now - timedelta(seconds=29))
    going = replace(instance, name="going", terminating=True)
    claimed = replace(instance, name="ws2")
    world.server.add({"kind": "Machine", "metadata": {"name": "ws2"}})
    found = find_garbage([instance, young, going, claimed], [world.machine("ws2")], [], lambda _: True, Limits(), now)
    assert [one.name for one in found.instances] == ["ws1"]
    assert found.machines == ()


def test_a_machine_whose_instance_is_not_listed_is_looked_at(instance: Instance, world: Any) -> None:
    world.server.add({"kind": "Machine", "metadata": {"name": "ws1"}, "status": {"providerID": "local:///ws1"}})
    world.server.add({"kind": "Machine", "metadata": {"name": "waiting"}})
    machines = [world.machine("ws1"), world.machine("waiting")]
    found = find_garbage([], machines, [], lambda _: True, Limits(), instance.created_at)
    assert found.machines == ("ws1",)


async def test_the_collector_deletes_orphans_and_leaves_other_peoples_nodes_alone(world: Any, new_node: Any) -> None:
    claim = Claim("orphan", ("Standard_NC6s_v3",))
    await world.cloud.create(claim)
    world.clock.passed += 31
    world.server.add(new_node("orphan-node", **OURS))
    world.server.add(new_node("byo"))
    foreign = new_node("foreign", **OURS)
    foreign["spec"]["providerID"] = "azure:///somewhere"
    world.server.add(foreign)
    writer = Writer(world.server, world.server, ProvisionerMetrics(CollectorRegistry()))
    cache = type("Cache", (), {"list": staticmethod(world.server.list_cached)})
    suspects: list[str] = []
    collector = GarbageCollector(cache, world.cloud, writer, world.clock, Limits())  # type: ignore[arg-type]
    await collector.collect(suspects.append)
    assert (await world.cloud.get("orphan")).terminating
    assert suspects == []
    nodes = {key.name for kind, key in world.server.objects if kind == "Node"}
    assert nodes == {"byo", "foreign"}
    assert ("Node", Key("", "orphan-node")) not in world.server.objects
