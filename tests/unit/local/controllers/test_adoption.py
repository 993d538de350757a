"""Taking over what nobody controls."""

from typing import Any

from kaito.core import Key, Kind, Metadata, OwnerReference, Selector
from kaito.core.cache import CacheEntry
from kaito.local.controllers.adoption import adopt, selector_of

POD: Kind[dict[str, Any]] = Kind("v1", "Pod", dict, "pods", True)
OWNER = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "web", "namespace": "default", "uid": "r"},
    "spec": {"selector": {"matchLabels": {"app": "web"}}},
}


class Pods:
    """A cache of pods and a client that notes its patches."""

    def __init__(self, *pods: Metadata) -> None:
        self.pods = pods
        self.patched: list[tuple[Key, Any]] = []

    def entries(self, kind: Any, namespace: str, labels: Selector) -> list[CacheEntry[Any]]:
        found = [one for one in self.pods if one.namespace == namespace and labels.matches(one.labels)]
        return [CacheEntry(POD, one, b'{"metadata":{}}') for one in found]

    async def patch(self, kind: Any, key: Key, body: Any) -> None:
        self.patched.append((key, body))


def pod(name: str, *, app: str = "web", **extra: Any) -> Metadata:
    return Metadata(name=name, namespace="default", resource_version="7", labels={"app": app}, **extra)


async def adopted(owner: dict[str, Any], *pods: Metadata) -> list[str]:
    world: Any = Pods(*pods)
    found = await adopt(world, world, owner, POD)
    assert found is bool(world.patched)
    for _, body in world.patched:
        assert body["metadata"]["resourceVersion"] == "7"
        assert body["metadata"]["ownerReferences"][-1]["uid"] == "r"
    return [key.name for key, _ in world.patched]


async def test_a_matching_orphan_is_adopted_and_nothing_else() -> None:
    theirs = pod("theirs", owner_references=(OwnerReference("apps/v1", "ReplicaSet", "x", "x", True),))
    going = pod("going", deletion_timestamp="2026-01-01T00:00:00Z")
    assert await adopted(OWNER, pod("orphan"), pod("other", app="db"), theirs, going) == ["orphan"]


async def test_an_owner_that_is_being_deleted_adopts_nothing() -> None:
    owner = {**OWNER, "metadata": {**OWNER["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}  # type: ignore[dict-item]
    assert await adopted(owner, pod("orphan")) == []


def test_an_empty_selector_would_match_everything_and_counts_for_none() -> None:
    assert selector_of({"spec": {"selector": {}}}) is None
    assert selector_of({"spec": {}}) is None
