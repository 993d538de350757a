"""The documents in which a server says what it serves."""

from typing import Any

from bench.replay.world import CLUSTER_SCOPED, World

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def answer(world: World, path: str) -> dict[str, Any] | None:
    """Return the document at `path`, or None."""
    served = {collection.api_version for collection in world.collections.values()}
    groups = sorted(version for version in served if "/" in version)
    match path.rstrip("/"):
        case "/version":
            return {"major": "1", "minor": "34", "gitVersion": "v1.34.4", "platform": "linux/amd64"}
        case "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        case "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(version) for version in groups]}
        case asked:
            version = asked.removeprefix("/apis/").removeprefix("/api/")
            if version in served and asked.startswith(("/api/", "/apis/")):
                return {"kind": "APIResourceList", "groupVersion": version, "resources": _resources(world, version)}
            return None


def _group(group_version: str) -> dict[str, Any]:
    group, _, version = group_version.partition("/")
    described = {"groupVersion": group_version, "version": version}
    return {"name": group, "versions": [described], "preferredVersion": described}


def _resources(world: World, group_version: str) -> list[dict[str, Any]]:
    return [
        {
            "name": collection.plural,
            "singularName": collection.kind.lower(),
            "namespaced": collection.plural not in CLUSTER_SCOPED,
            "kind": collection.kind,
            "verbs": VERBS,
        }
        for collection in world.collections.values()
        if collection.api_version == group_version
    ]
