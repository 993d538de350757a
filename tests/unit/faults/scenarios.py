"""What a user does to a Workspace, and how the cluster must be in the end."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from world import Plans, World

from kaito.api import MACHINE
from kaito.core import Key, Kind, Object

SETTLING_SECONDS = 400.0
"""Longer than two rounds of the provisioner's garbage collection, and than any back-off on the way."""

WORKSPACE = Kind("kaito.sh/v1beta1", "Workspace", dict, "workspaces", True)
KEY = Key("default", "phi")


def workspace(name: str = KEY.name, namespace: str = KEY.namespace, **inference: Any) -> Object:
    return {
        "apiVersion": WORKSPACE.api_version,
        "kind": WORKSPACE.kind,
        "metadata": {"name": name, "namespace": namespace},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}, **inference},
    }


def found(world: World, resource: str) -> list[Object]:
    return world.server.store.objects(resource)


async def create(world: World) -> None:
    await world.client.create(workspace())


async def edit(world: World) -> None:
    settings = {"inference_config.yaml": "vllm: {max-model-len: 1024}"}
    metadata = {"name": "settings", "namespace": KEY.namespace}
    await world.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": settings})
    await world.client.patch(WORKSPACE, KEY, {"inference": {"config": "settings"}})


async def add_adapter(world: World) -> None:
    """Ask for an adapter whose image needs a login."""
    metadata = {"name": "login", "namespace": KEY.namespace}
    login = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": '{"auths": {}}'}}
    await world.client.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **login})
    source = {"name": "poems", "image": "registry.example.org/poems:1", "imagePullSecrets": ["login"]}
    await world.client.patch(WORKSPACE, KEY, {"inference": {"adapters": [{"source": source}]}})


async def remove_adapter(world: World) -> None:
    await world.client.patch(WORKSPACE, KEY, {"inference": {"adapters": None}})


async def delete(world: World) -> None:
    await world.client.delete(WORKSPACE, KEY)


async def change_mind(world: World) -> None:
    """Delete it while the cloud's answer to the launch is on its way."""
    await create(world)
    await world.clock.sleep(0.1)
    await delete(world)


async def delete_machine(world: World) -> None:
    [machine] = found(world, "karpenter.sh/machines")
    await world.client.delete(MACHINE, Key("", machine["metadata"]["name"]))


def serves(world: World) -> None:
    """Assert that one Workspace is Ready, with one of everything."""
    [one] = found(world, "kaito.sh/workspaces")
    assert one["status"]["phase"] == "Ready"
    assert {condition["status"] for condition in one["status"]["conditions"]} == {"True"}
    for resource in ("karpenter.sh/machines", "nodes", "apps/deployments", "pods"):
        assert len(found(world, resource)) == 1, resource
    assert len(world.files.all()) == 1


def serves_edited(world: World) -> None:
    serves(world)
    [pod] = found(world, "pods")
    names = {volume["name"]: volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume}
    assert names == {"config": "settings", "adapter-set": "phi-adapters"}


def serves_with_adapter(world: World) -> None:
    serves(world)
    assert adapters_in_config_map(world) == ["poems"]
    [copy] = (one for one in found(world, "secrets") if one["metadata"]["name"] == "phi-adapter-credentials")
    assert list(copy["data"]) == ["login.json"]


def serves_without_adapter(world: World) -> None:
    serves(world)
    assert adapters_in_config_map(world) == []
    assert {one["metadata"]["name"] for one in found(world, "secrets")} == {"login", "phi-admin"}


def adapters_in_config_map(world: World) -> list[str]:
    """The names in the file that pods start from."""
    [one] = (one for one in found(world, "configmaps") if one["metadata"]["name"] == "phi-adapters")
    return [adapter["name"] for adapter in json.loads(one["data"]["adapters.json"])["adapters"]]


def nothing_left(world: World) -> None:
    for resource in ("kaito.sh/workspaces", "karpenter.sh/machines", "nodes", "apps/deployments", "pods"):
        assert found(world, resource) == [], resource
    assert {one["metadata"]["name"] for one in found(world, "services")} == {"kubernetes"}
    assert found(world, "secrets") == []
    assert world.files.all() == []


Action = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """What is there before, what is done, and what must be true long after."""

    name: str
    before: tuple[Action, ...]
    act: Action
    end: Callable[[World], None]
    may_buy_less: bool = False
    """Whether a process that was dead meanwhile may spare a machine that is not wanted any more."""

    async def prepare(self, world: World) -> None:
        """Do what comes before, in good luck."""
        await world.clock.sleep(1)
        for step in self.before:
            await step(world)
            await world.clock.sleep(SETTLING_SECONDS)

    async def perform(self, world: World, plans: Plans) -> None:
        """Act in bad luck, let time pass, and assert that all is well."""
        await world.clock.sleep(1)
        world.plan(plans)
        await self.act(world)
        await world.clock.sleep(SETTLING_SECONDS)
        self.end(world)


SCENARIOS = (
    Scenario("create", (), create, serves),
    Scenario("edit", (create,), edit, serves_edited),
    Scenario("add an adapter", (create,), add_adapter, serves_with_adapter),
    Scenario("remove an adapter", (create, add_adapter), remove_adapter, serves_without_adapter),
    Scenario("delete", (create,), delete, nothing_left),
    Scenario("delete while launching", (), change_mind, nothing_left, may_buy_less=True),
    Scenario("lose the machine", (create,), delete_machine, serves),
)
