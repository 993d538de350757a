"""The ConfigMaps and Secrets that a pod refers to: by name, and fetched."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from kaito.core import Cache, Client, Clock, Key, NotFoundError, Object
from kaito.core.kinds import CONFIG_MAP, SECRET

SECRET_SECONDS = 60.0
"""After a change of a Secret, the longest time until a volume shows it; the kubelet's sync period is as long."""


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


class Secrets:
    """Reads Secrets one by one: a node may `get` those that its pods name, and neither list nor watch any.

    One that was read is believed for `SECRET_SECONDS`, the period of the kubelet's own cache.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._read: dict[Key, tuple[float, Object]] = {}

    async def get(self, key: Key) -> Object | None:
        """Return a Secret, at most `SECRET_SECONDS` old; None when there is none."""
        known = self._read.get(key)
        if known is not None and self._clock.monotonic() < known[0] + SECRET_SECONDS:
            return known[1]
        self._read.pop(key, None)
        try:
            secret = await self._client.get(SECRET, key)
        except NotFoundError:
            return None
        self._read[key] = (self._clock.monotonic(), secret)
        return secret

    def forget(self, keys: Collection[Key]) -> None:
        """Read these anew when they are next asked for, as the kubelet does for a pod that starts."""
        for key in keys:
            self._read.pop(key, None)

    def keep(self, wanted: Collection[Key]) -> None:
        """Forget the Secrets that no pod refers to any more."""
        self.forget(self._read.keys() - wanted)


async def fetch(pod: Object, cache: Cache, client: Client, secrets: Secrets) -> Fetched:
    """Return what a pod refers to; ConfigMaps are watched (and read, where the watch is behind), Secrets are read."""
    namespace, names = pod["metadata"]["namespace"], references(pod)
    found = {name: await _config_map(Key(namespace, name), cache, client) for name in names.config_maps}
    read = {name: await secrets.get(Key(namespace, name)) for name in names.secrets}
    return Fetched(_there(found), _there(read))


async def _config_map(key: Key, cache: Cache, client: Client) -> Object | None:
    if (known := cache.get(CONFIG_MAP, key)) is not None:
        return known
    try:
        return await client.get(CONFIG_MAP, key)
    except NotFoundError:
        return None


def _there(found: Mapping[str, Object | None]) -> dict[str, Object]:
    return {name: obj for name, obj in found.items() if obj is not None}
