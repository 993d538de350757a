"""The ConfigMaps and Secrets that a pod refers to: by name, and fetched."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kaito.core import Cache, Client, Key, Kind, NotFoundError, Object
from kaito.core.kinds import CONFIG_MAP, SECRET


@dataclass(frozen=True)
class References:
    """Names of ConfigMaps and Secrets in the pod's namespace."""

    config_maps: frozenset[str]
    secrets: frozenset[str]


@dataclass(frozen=True)
class Fetched:
    """The objects behind `References`; one that does not exist is absent."""

    config_maps: Mapping[str, Object] = field(default_factory=dict)
    secrets: Mapping[str, Object] = field(default_factory=dict)


def references(pod: Object) -> References:
    """Return what a pod's volumes and environment refer to."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for source in _sources(pod):
        for kind, names in (("configMap", config_maps), ("secret", secrets)):
            for body in (source.get(kind), source.get(f"{kind}Ref"), source.get(f"{kind}KeyRef")):
                if body:
                    names.add(body.get("name") or body.get("secretName") or "")
    return References(frozenset(config_maps - {""}), frozenset(secrets - {""}))


def _sources(pod: Object) -> Iterator[Object]:
    spec = pod["spec"]
    for volume in spec.get("volumes") or ():
        yield volume
        yield from (volume.get("projected") or {}).get("sources") or ()
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        yield from container.get("envFrom") or ()
        yield from (entry["valueFrom"] for entry in container.get("env") or () if entry.get("valueFrom"))


async def fetch(pod: Object, cache: Cache, client: Client) -> Fetched:
    """Return what a pod refers to: from the cache, and from the server what the cache does not have (yet)."""
    namespace, names = pod["metadata"]["namespace"], references(pod)
    return Fetched(
        await _fetch(CONFIG_MAP, namespace, names.config_maps, cache, client),
        await _fetch(SECRET, namespace, names.secrets, cache, client),
    )


async def _fetch(
    kind: Kind[Object], namespace: str, names: Iterable[str], cache: Cache, client: Client
) -> dict[str, Object]:
    found: dict[str, Object] = {}
    for name in names:
        key = Key(namespace, name)
        obj = cache.get(kind, key)
        if obj is None:
            try:
                obj = await client.get(kind, key)
            except NotFoundError:
                continue
        found[name] = obj
    return found
