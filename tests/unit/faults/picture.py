"""What a cluster looks like, without what differs from run to run: two runs that ended alike have equal pictures."""

import re
from typing import Any

import orjson
from world import World

PASSING = frozenset({"events", "leases"})
DROPPED = frozenset(
    {"uid", "resourceVersion", "managedFields", "clusterIP", "clusterIPs", "kaito.sh/applied", "timeline"}
)
"""The timeline is history: a controller that was dead does not know when a phase began, or of a short one at all."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def picture(world: World) -> dict[str, Any]:
    """Return every object by resource, namespace and name, the cloud's instances, and all that was ever bought."""
    rows = world.server.store._db.execute("SELECT resource, namespace, name, body FROM objects").fetchall()
    objects = {row[:3]: orjson.loads(row[3]) for row in rows if row[0] not in PASSING}
    names = _stable_names(objects)

    def stable(text: str) -> str:
        for name, other in names.items():
            text = text.replace(name, other)
        return TIME.sub("TIME", text)

    found = {stable("/".join(key)): _without(obj, stable) for key, obj in objects.items()}
    found["cloud"] = [f"{stable(one.name)} {one.state}" for one in world.files.all()]
    found["bought"] = [stable(name) for name in world.files.bought]
    found["dangling"] = _dangling(objects)
    return found


def _stable_names(objects: dict[tuple[str, ...], Any]) -> dict[str, str]:
    """Name what is named after a uid or by chance, and every uid, after something that is the same in each run."""
    names = {obj["metadata"]["uid"]: f"uid-of-{key[0]}-{key[2]}" for key, obj in objects.items()}
    for (resource, _, name), obj in objects.items():
        metadata = obj["metadata"]
        if resource == "karpenter.sh/machines":
            labels, ordinal = metadata["labels"], metadata["annotations"]["kaito.sh/ordinal"]
            names[name] = f"machine-of-{labels['kaito.sh/workspacenamespace']}-{labels['kaito.sh/workspace']}-{ordinal}"
        elif resource == "discovery.k8s.io/endpointslices":
            names[name] = f"slice-of-{metadata['labels']['kubernetes.io/service-name']}"
        elif metadata.get("generateName"):
            names[name] = f"{metadata['generateName']}x"
    return names


def _without(value: Any, stable: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without(inner, stable) for key, inner in value.items() if key not in DROPPED}
        if value.get("kind") == "Secret":
            kept["data"] = sorted(value.get("data", {}))
        return kept
    if isinstance(value, list):
        return [_without(inner, stable) for inner in value]
    return stable(value) if isinstance(value, str) else value


def _dangling(objects: dict[tuple[str, ...], Any]) -> list[str]:
    """Return the objects that an owner should have taken with it."""
    alive = {obj["metadata"]["uid"] for obj in objects.values()}
    return [
        "/".join(key)
        for key, obj in objects.items()
        if any(owner["uid"] not in alive for owner in obj["metadata"].get("ownerReferences", ()))
    ]
