"""Somebody else deletes or edits what belongs to a serving Workspace: it is as before soon, and nothing is twice."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import pytest
import structlog
from picture import picture
from scenarios import KEY, SETTLING_SECONDS, WORKSPACE, create, found, serves
from sweep import differences, in_world
from world import Saved, World

from kaito.api import MACHINE
from kaito.core import Key, Kind
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT, NODE, POD, REPLICA_SET, SECRET, SERVICE

Hand = Callable[[World], Awaitable[None]]
RAW_MACHINE = Kind(MACHINE.api_version, "Machine", dict, "machines", False)
ADMIN = Key(KEY.namespace, f"{KEY.name}-admin")
SETTINGS = Key(KEY.namespace, f"{KEY.name}-inference-config")
HEADLESS = Key(KEY.namespace, f"{KEY.name}-headless")


@pytest.fixture(autouse=True)
def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


def deletes(kind: Kind[Any], key: Key | None = None) -> Hand:
    """Delete an object: the named one, or the only one of its kind."""

    async def hand(world: World) -> None:
        await world.client.delete(kind, key or only(world, kind))

    return hand


def edits(kind: Kind[Any], key: Key | None, body: Any, *, subresource: str = "") -> Hand:
    """Merge something into an object."""

    async def hand(world: World) -> None:
        await world.client.patch(kind, key or only(world, kind), body, subresource=subresource)

    return hand


def only(world: World, kind: Kind[Any]) -> Key:
    group = kind.api_version.rpartition("/")[0]
    [one] = found(world, f"{group}/{kind.plural}" if group else kind.plural)
    return Key(one["metadata"].get("namespace", ""), one["metadata"]["name"])


async def instance_vanishes(world: World) -> None:
    world.files.remove(world.files.names()[0])
    world.files.changed.set()


async def secret_and_pod_are_deleted(world: World) -> None:
    await world.client.delete(SECRET, ADMIN)
    await world.client.delete(POD, only(world, POD))


async def machine_finalizer_and_machine_go(world: World) -> None:
    key = only(world, RAW_MACHINE)
    await world.client.patch(RAW_MACHINE, key, {"metadata": {"finalizers": None}})
    await world.client.delete(RAW_MACHINE, key)


def template(**spec: Any) -> Any:
    """An edit of the pods that a Deployment or ReplicaSet makes."""
    return {"spec": {"template": {"spec": spec}}}


async def container_is_edited(world: World) -> None:
    """Give the server another image, command line, request and port, as `kubectl edit` does."""
    deployment = await world.client.get(DEPLOYMENT, KEY)
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    other = {**container, "image": "other:1", "args": ["--model=other"], "resources": {}, "ports": []}
    await world.client.patch(DEPLOYMENT, KEY, template(containers=[other]))


NO_OWNER = {"metadata": {"ownerReferences": None}}
NO_LABELS = {"metadata": {"labels": {"kaito.sh/workspace": None, "kaito.sh/workspacenamespace": None}}}
OURS = ("kaito.sh/workspace", "kaito.sh/workspacenamespace", "apps", "karpenter.sh/provisioner-name")
ANONYMOUS = {"metadata": {"labels": dict.fromkeys(OURS), "annotations": None}}
WRONG = {"phase": "Failed", "message": "no", "workerNodes": []}
NOT_LAUNCHED = {"type": "MachineLaunched", "status": "False", "reason": "QuotaExceeded", "message": "no"}

HANDS: dict[str, tuple[Hand, int]] = {
    "the Deployment is deleted": (deletes(DEPLOYMENT, KEY), 1),
    "the ReplicaSet is deleted": (deletes(REPLICA_SET), 1),
    "the pod is deleted": (deletes(POD), 1),
    "the admin Secret is deleted, then the pod": (secret_and_pod_are_deleted, 1),
    "the Service is deleted": (deletes(SERVICE, KEY), 1),
    "the headless Service is deleted": (deletes(SERVICE, HEADLESS), 1),
    "the settings are deleted": (deletes(CONFIG_MAP, SETTINGS), 1),
    "the Machine is deleted": (deletes(RAW_MACHINE), 2),
    "the Node is deleted": (deletes(NODE), 2),
    "the instance vanishes": (instance_vanishes, 2),
    "the Machine is torn out with its finalizer": (machine_finalizer_and_machine_go, 1),
    "the Deployment is scaled to none": (edits(DEPLOYMENT, KEY, {"spec": {"replicas": 0}}), 1),
    "the Deployment is scaled to three": (edits(DEPLOYMENT, KEY, {"spec": {"replicas": 3}}), 1),
    "the Deployment loses its owner": (edits(DEPLOYMENT, KEY, NO_OWNER), 1),
    "the Deployment loses its labels": (edits(DEPLOYMENT, KEY, {"metadata": {"labels": None}}), 1),
    "the Deployment loses its annotations": (edits(DEPLOYMENT, KEY, {"metadata": {"annotations": None}}), 1),
    "the Service sends elsewhere": (edits(SERVICE, KEY, {"spec": {"selector": {"kaito.sh/workspace": "other"}}}), 1),
    "the Deployment's server is another": (container_is_edited, 1),
    "the Deployment's pods may go anywhere": (edits(DEPLOYMENT, KEY, template(affinity=None)), 1),
    "the Deployment's pods lose their volumes and tolerations": (
        edits(DEPLOYMENT, KEY, template(tolerations=None, initContainers=None)),
        1,
    ),
    "the Deployment's pods get the token of an account": (
        edits(DEPLOYMENT, KEY, template(automountServiceAccountToken=True)),
        1,
    ),
    "the ReplicaSet is scaled to none": (edits(REPLICA_SET, None, {"spec": {"replicas": 0}}), 1),
    "the ReplicaSet loses its owner": (edits(REPLICA_SET, None, NO_OWNER), 1),
    "the pod loses its owner": (edits(POD, None, NO_OWNER), 1),
    "the Service has another port": (edits(SERVICE, KEY, {"spec": {"ports": [{"name": "http", "port": 81}]}}), 1),
    "the headless Service sends elsewhere": (
        edits(SERVICE, HEADLESS, {"spec": {"selector": {"kaito.sh/workspace": "other"}}}),
        1,
    ),
    "the headless Service loses its owner and labels": (edits(SERVICE, HEADLESS, {**NO_OWNER, **NO_LABELS}), 1),
    "the settings are emptied": (edits(CONFIG_MAP, SETTINGS, {"data": None}), 1),
    "the Machine gets a label more": (edits(RAW_MACHINE, None, {"metadata": {"labels": {"apps": "other"}}}), 1),
    "the Machine is of another Workspace": (
        edits(RAW_MACHINE, None, {"metadata": {"labels": {"kaito.sh/workspace": "other"}}}),
        1,
    ),
    "the Node is of another Workspace": (
        edits(NODE, None, {"metadata": {"labels": {"kaito.sh/workspace": "other", "apps": "other"}}}),
        1,
    ),
    "the Service loses its owner": (edits(SERVICE, KEY, NO_OWNER), 1),
    "the settings are edited": (edits(CONFIG_MAP, SETTINGS, {"data": {"inference_config.yaml": "vllm: {x: 1}"}}), 1),
    "the settings lose their owner and labels": (edits(CONFIG_MAP, SETTINGS, {**NO_OWNER, **NO_LABELS}), 1),
    "the Machine loses its labels": (edits(RAW_MACHINE, None, NO_LABELS), 1),
    "the Machine loses all that says whose it is": (edits(RAW_MACHINE, None, ANONYMOUS), 1),
    "the Machine loses its finalizer": (edits(RAW_MACHINE, None, {"metadata": {"finalizers": None}}), 1),
    "the Machine's status is wiped": (edits(RAW_MACHINE, None, {"status": None}, subresource="status"), 1),
    "the Machine's status loses its instance": (
        edits(RAW_MACHINE, None, {"status": {"providerID": None}}, subresource="status"),
        1,
    ),
    "the Machine is said not to be launched": (
        edits(RAW_MACHINE, None, {"status": {"conditions": [NOT_LAUNCHED]}}, subresource="status"),
        1,
    ),
    "the Node loses its finalizer": (edits(NODE, None, {"metadata": {"finalizers": None}}), 1),
    "the Node loses its labels": (edits(NODE, None, NO_LABELS), 1),
    "the Workspace loses its finalizer": (edits(WORKSPACE, KEY, {"metadata": {"finalizers": None}}), 1),
    "the Workspace's status is edited": (edits(WORKSPACE, KEY, {"status": WRONG}, subresource="status"), 1),
    "the Workspace's status is wiped": (edits(WORKSPACE, KEY, {"status": None}, subresource="status"), 1),
}


@cache
def served() -> tuple[Saved, dict[str, Any]]:
    """A Workspace that has been Ready for a while, and what that looks like."""

    async def make(world: World) -> tuple[Saved, dict[str, Any]]:
        await create(world)
        await world.clock.sleep(SETTLING_SECONDS)
        serves(world)
        return world.save(), picture(world)

    return in_world(None, make)


@pytest.mark.parametrize("name", HANDS)
def test_what_somebody_else_did_is_undone(name: str) -> None:
    hand, bought = HANDS[name]
    start, before = served()

    async def disturb(world: World) -> tuple[dict[str, Any], int]:
        await world.clock.sleep(1)  # the processes have started, and looked for leaks
        await hand(world)
        await world.clock.sleep(SETTLING_SECONDS)
        serves(world)
        return picture(world), len(world.files.bought)

    after, machines = in_world(start, disturb)
    assert machines == bought, "machines were bought"
    assert differences(comparable(before), comparable(after)) == []


def comparable(one: dict[str, Any]) -> dict[str, Any]:
    """A picture without what an edit and its undoing leave behind: counted generations, and the record of purchases."""
    if isinstance(one, dict):
        one = {key: value for key, value in one.items() if not is_history(key, value)}
        gone = {"generation", "observedGeneration", "bought", "deployment.kubernetes.io/revision"}
        return {key: comparable(value) for key, value in one.items() if key not in gone}
    return [comparable(value) for value in one] if isinstance(one, list) else one


def is_history(name: str, value: Any) -> bool:
    """Whether it is the ReplicaSet of a revision that is no more."""
    return name.startswith("apps/replicasets/") and value["spec"]["replicas"] == 0
