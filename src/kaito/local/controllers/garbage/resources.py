"""Which kinds the garbage collector follows: all that the server lets anybody list, watch and delete."""

from collections.abc import Iterable
from dataclasses import dataclass

from kaito.core import ApiError, Client, Kind, NotFoundError, Object

IGNORED = frozenset({("", "Event"), ("events.k8s.io", "Event")})
"""Kinds that own nothing and are owned by nothing. Source: the garbage collector's `DefaultIgnoredResources`."""

_NEEDED = frozenset({"list", "watch", "delete"})


@dataclass(frozen=True)
class Collectable:
    """The preferred version of every deletable resource; groups in `unknown_groups` did not say what they serve."""

    kinds: list[Kind[Object]]
    unknown_groups: frozenset[str]


async def collectable_kinds(client: Client) -> Collectable:
    """Return what can be collected now. ApiError when discovery itself fails."""
    core = await client.request("GET", "/api/v1")
    found = list(kinds_of("v1", core.get("resources") or ()))
    unknown: set[str] = set()
    groups = await client.request("GET", "/apis")
    for group in groups.get("groups") or ():
        version = (group.get("preferredVersion") or {}).get("groupVersion") or group["versions"][0]["groupVersion"]
        try:
            resources = await client.request("GET", f"/apis/{version}")
        except NotFoundError:
            continue  # it went since the groups were listed
        except ApiError:
            unknown.add(group["name"])  # an aggregated API that is down must not stop the rest
            continue
        found += kinds_of(version, resources.get("resources") or ())
    return Collectable(found, frozenset(unknown))


def kinds_of(api_version: str, resources: Iterable[Object]) -> list[Kind[Object]]:
    """Return the collectable kinds of a group version's resource list; subresources are none."""
    group = api_version.rpartition("/")[0]
    return [
        Kind(api_version, one["kind"], dict, one["name"], bool(one.get("namespaced")))
        for one in resources
        if "/" not in one["name"] and set(one.get("verbs") or ()) >= _NEEDED and (group, one["kind"]) not in IGNORED
    ]
