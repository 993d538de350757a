"""Without a webhook: a bad Workspace that is mended serves, and a serving one that is spoilt loses nothing."""

from typing import Any

import pytest
from scenarios import KEY, SETTLING_SECONDS, WORKSPACE, create, found, serves, workspace
from sweep import in_world
from world import World

from kaito.core import Object
from kaito.core.errors import InvalidError

LEFT_IN = {"adapters": [{"source": {"name": "a", "image": "ACR_REPO_HERE.azurecr.io/a:1"}}]}
NOTHING_IN_IT = {"adapters": [{"source": {"name": "a", "volumeSource": {"emptyDir": {}}}}]}
BAD = {
    "PlaceholdersLeft": LEFT_IN,
    "InvalidVolume": NOTHING_IN_IT,
}


def status(world: World) -> Any:
    [one] = found(world, "kaito.sh/workspaces")
    return one["status"]


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_workspace_buys_nothing_and_serves_once_it_is_mended(reason: str) -> None:
    async def story(world: World) -> None:
        await world.client.create(workspace(**BAD[reason]))
        await world.until("a terminal failure", lambda: (status_of(world) or {}).get("phase") == "Failed")
        await world.clock.sleep(SETTLING_SECONDS)
        assert status(world)["lastFailure"]["reason"] == reason
        assert world.files.bought == []
        await world.client.patch(WORKSPACE, KEY, {"inference": {"adapters": None}})
        await world.clock.sleep(SETTLING_SECONDS)
        serves(world)
        assert len(world.files.bought) == 1

    in_world(None, story)


@pytest.mark.parametrize("reason", BAD)
def test_a_serving_workspace_that_is_spoilt_keeps_its_node_and_its_pod(reason: str) -> None:
    async def story(world: World) -> None:
        await create(world)
        await world.clock.sleep(SETTLING_SECONDS)
        before = [found(world, kind) for kind in ("pods", "karpenter.sh/machines")]
        await world.client.patch(WORKSPACE, KEY, {"inference": BAD[reason]})
        await world.clock.sleep(SETTLING_SECONDS)
        assert status(world)["lastFailure"]["reason"] == reason
        assert [names(objects) for objects in before] == [
            names(found(world, kind)) for kind in ("pods", "karpenter.sh/machines")
        ]
        conditions = {one["type"]: one["status"] for one in status(world)["conditions"]}
        assert (conditions["ResourceReady"], conditions["InferenceReady"]) == ("True", "True")
        assert conditions["WorkspaceReady"] == "False"
        await world.client.patch(WORKSPACE, KEY, {"inference": {"adapters": None}})
        await world.clock.sleep(SETTLING_SECONDS)
        serves(world)
        assert len(world.files.bought) == 1

    in_world(None, story)


IMMUTABLE: dict[str, Object] = {
    "the size": {"resource": {"instanceType": "Standard_NC24ads_A100_v4"}},
    "the preset": {"inference": {"preset": {"name": "phi-3-mini-128k-instruct"}}},
    "the label": {"resource": {"labelSelector": {"matchLabels": {"apps": "other"}}}},
}


@pytest.mark.parametrize("what", IMMUTABLE)
def test_what_is_bought_cannot_be_edited_and_goes_on_serving(what: str) -> None:
    async def story(world: World) -> None:
        await create(world)
        await world.clock.sleep(SETTLING_SECONDS)
        with pytest.raises(InvalidError, match="immutable"):
            await world.client.patch(WORKSPACE, KEY, IMMUTABLE[what])
        await world.clock.sleep(SETTLING_SECONDS)
        serves(world)
        assert len(world.files.bought) == 1

    in_world(None, story)


def status_of(world: World) -> Any:
    """The status of the only Workspace, once there is one."""
    return next((one.get("status") for one in found(world, "kaito.sh/workspaces")), None)


def names(objects: list[Object]) -> list[str]:
    return [one["metadata"]["name"] for one in objects]
