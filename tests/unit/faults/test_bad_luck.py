"""Workspaces that come and go at bad moments, beside others, or in ways that nobody planned."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
from fleet import LuckyCloud
from scenarios import KEY, SETTLING_SECONDS, WORKSPACE, create, delete, found, nothing_left, workspace
from sweep import in_world
from world import World

from kaito.core import Key, Object
from kaito.core.kinds import NODE
from kaito.provisioner.clouds.cloud import Claim
from kaito.testing import Luck


@pytest.fixture(autouse=True)
def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


def in_a_world(*steps: Callable[[World], Awaitable[Any]]) -> None:
    """Do the steps one after the other, with long pauses."""

    async def work(world: World) -> None:
        for step in steps:
            await step(world)
            await world.clock.sleep(SETTLING_SECONDS)

    in_world(None, work)


def then(check: Callable[[World], None]) -> Callable[[World], Awaitable[None]]:
    async def step(world: World) -> None:
        check(world)

    return step


def phases(world: World) -> dict[str, str]:
    return {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}": one["status"]["phase"]
        for one in found(world, "kaito.sh/workspaces")
    }


@pytest.mark.parametrize("tenths", range(0, 45, 3))
def test_a_workspace_that_is_deleted_while_it_is_made_leaves_nothing(tenths: int) -> None:
    async def change_of_mind(world: World) -> None:
        await world.clock.sleep(1)
        await create(world)
        await world.clock.sleep(tenths / 10)
        await delete(world)

    in_a_world(change_of_mind, then(nothing_left), then(lambda world: at_most_one_was_bought(world)))


def at_most_one_was_bought(world: World) -> None:
    assert len(world.files.bought) <= 1


def test_a_workspace_made_again_under_its_name_gets_a_node_of_its_own() -> None:
    async def replace(world: World) -> None:
        await delete(world)
        await world.until("the name is free", lambda: not found(world, "kaito.sh/workspaces"))
        await create(world)

    def one_each(world: World) -> None:
        assert phases(world) == {"default/phi": "Ready"}
        assert len(world.files.bought) == 2
        assert len(world.files.all()) == len(found(world, "nodes")) == 1

    in_a_world(create, replace, then(one_each))


def test_a_workspace_torn_out_with_its_finalizer_leaves_no_node() -> None:
    async def tear_out(world: World) -> None:
        await world.client.patch(WORKSPACE, KEY, {"metadata": {"finalizers": None}})
        await world.client.delete(WORKSPACE, KEY)

    in_a_world(create, tear_out, then(nothing_left))


def test_a_workspace_torn_out_while_the_controller_is_dead_leaves_no_node() -> None:
    async def tear_out(world: World) -> None:
        world.processes["kaito-controller"].luck.killed.set()
        await world.client.patch(WORKSPACE, KEY, {"metadata": {"finalizers": None}})
        await world.client.delete(WORKSPACE, KEY)

    in_a_world(create, tear_out, then(nothing_left))


@pytest.mark.parametrize(
    ("name", "namespace"), [("other", "default"), ("phi", "team")], ids=["one label", "one name in two namespaces"]
)
def test_two_workspaces_do_not_touch_each_other(name: str, namespace: str) -> None:
    async def both(world: World) -> None:
        await world.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
        await create(world)
        await world.client.create(workspace(name, namespace))

    def serve(world: World) -> None:
        assert phases(world) == {"default/phi": "Ready", f"{namespace}/{name}": "Ready"}
        assert len(world.files.bought) == 2
        assert {owner_of(node) for node in found(world, "nodes")} == {"default/phi", f"{namespace}/{name}"}
        nodes = {node["metadata"]["name"]: owner_of(node) for node in found(world, "nodes")}
        for pod in found(world, "pods"):
            whose = f"{pod['metadata']['namespace']}/{pod['metadata']['labels']['kaito.sh/workspace']}"
            assert nodes[pod["spec"]["nodeName"]] == whose

    def one_is_left(world: World) -> None:
        assert phases(world) == {f"{namespace}/{name}": "Ready"}
        assert [owner_of(node) for node in found(world, "nodes")] == [f"{namespace}/{name}"]
        assert len(world.files.all()) == 1
        assert len(world.files.bought) == 2

    in_a_world(both, then(serve), delete, then(one_is_left))


def owner_of(node: Object) -> str:
    labels = node["metadata"]["labels"]
    return f"{labels['kaito.sh/workspacenamespace']}/{labels['kaito.sh/workspace']}"


def test_names_at_their_limits_serve() -> None:
    name, namespace = "w" * 54, "n" * 63

    async def longest(world: World) -> None:
        await world.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        one = workspace(name, namespace)
        one["resource"]["labelSelector"]["matchLabels"] = {"p" * 63 + "/" + "k" * 63: "v" * 63}
        await world.client.create(one)

    def serves(world: World) -> None:
        assert phases(world) == {f"{namespace}/{name}": "Ready"}

    in_a_world(longest, then(serves))


def test_a_machine_of_somebody_else_is_left_alone() -> None:
    machine = {
        "apiVersion": "karpenter.sh/v1alpha5",
        "kind": "Machine",
        "metadata": {"name": "theirs", "labels": {"karpenter.sh/provisioner-name": "default"}},
        "spec": {
            "machineTemplateRef": {"name": "theirs"},
            "requirements": [
                {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["Standard_NC6s_v3"]}
            ],
        },
    }

    async def theirs(world: World) -> None:
        await world.client.create(machine)

    def untouched(world: World) -> None:
        [one] = found(world, "karpenter.sh/machines")
        assert "status" not in one
        assert "finalizers" not in one["metadata"]
        assert world.files.bought == []

    in_a_world(theirs, then(untouched))


def test_an_instance_without_a_machine_goes_and_its_node_with_it() -> None:
    async def orphan(world: World) -> None:
        labels = {"kaito.sh/workspace": "gone", "kaito.sh/workspacenamespace": "default"}
        claim = Claim("wsorphan", ("Standard_NC6s_v3",), labels)
        await LuckyCloud(world.files, world.clock, Luck()).create(claim)
        await world.until("its node joins", lambda: found(world, "nodes"))

    in_a_world(orphan, then(nothing_left))


def test_a_node_that_was_never_ours_stays() -> None:
    async def theirs(world: World) -> None:
        spec = {"providerID": "other:///theirs"}
        labels = {"kaito.sh/workspace": "x"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "theirs", "labels": labels}, "spec": spec}
        await world.client.create(node)

    async def stays(world: World) -> None:
        assert (await world.client.get(NODE, Key("", "theirs")))["metadata"]["name"] == "theirs"

    in_a_world(theirs, stays)
