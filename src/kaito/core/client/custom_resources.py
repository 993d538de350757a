"""Puts CustomResourceDefinitions on a server, waits until their resources are served, and takes them away."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from kaito.core.client.client import Client
from kaito.core.clock import Clock, SystemClock, deadline
from kaito.core.conditions import condition
from kaito.core.errors import KaitoError, NotFoundError
from kaito.core.kinds import CUSTOM_RESOURCE_DEFINITION
from kaito.core.objects import Key, Object

PATIENCE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1


async def install_custom_resources(
    client: Client, definitions: Iterable[Object], *, clock: Clock | None = None, within: float = PATIENCE_SECONDS
) -> Sequence[str]:
    """Apply the definitions (server-side) and return their names once each version is served.

    Raises KaitoError NotEstablished if that takes longer than `within` seconds each, ApiError if one is refused.
    """
    clock = clock or SystemClock()
    applied = [await client.apply(definition) for definition in definitions]
    for definition in applied:
        await _installed(client, definition, clock, within)
    return [definition["metadata"]["name"] for definition in applied]


async def uninstall_custom_resources(
    client: Client, names: Iterable[str], *, clock: Clock | None = None, within: float = PATIENCE_SECONDS
) -> None:
    """Delete the definitions, and with them every object of theirs; return once they are gone.

    Those that are not there are passed over. Raises KaitoError NotRemoved after `within` seconds each.
    """
    clock = clock or SystemClock()
    removed = []
    for name in names:
        try:
            await client.delete(CUSTOM_RESOURCE_DEFINITION, Key("", name))
        except NotFoundError:
            continue
        removed.append(name)
    for name in removed:
        await _removed(client, name, clock, within)


async def _installed(client: Client, definition: Object, clock: Clock, within: float) -> None:
    name = definition["metadata"]["name"]
    missing = ["Established"]

    async def served() -> bool:
        found = await client.get(CUSTOM_RESOURCE_DEFINITION, Key("", name))
        missing[:] = [*_unmet(found), *[one for one in _versions(found) if not await _serves(client, found, one)]]
        return not missing

    if not await _comes(served, clock, within):
        raise KaitoError(
            "NotEstablished",
            f"CustomResourceDefinition {name} is not served after {within:g} s; it lacks {', '.join(missing)}",
            terminal=True,
            remedy=f"`kubectl describe crd {name}` names what it waits for.",
        )


async def _removed(client: Client, name: str, clock: Clock, within: float) -> None:
    async def gone() -> bool:
        try:
            await client.get(CUSTOM_RESOURCE_DEFINITION, Key("", name))
        except NotFoundError:
            return True
        return False

    if not await _comes(gone, clock, within):
        raise KaitoError(
            "NotRemoved",
            f"CustomResourceDefinition {name} is still there after {within:g} s",
            remedy="One of its objects is held by a finalizer: see that whose it is runs.",
        )


async def _comes(so: Callable[[], Awaitable[bool]], clock: Clock, within: float) -> bool:
    try:
        async with deadline(clock, within):
            while not await so():
                await clock.sleep(POLL_SECONDS)
    except TimeoutError:
        return False
    return True


def _unmet(definition: Object) -> list[str]:
    """Return the conditions that are not met, with what the server says about them."""
    unmet = []
    for kind in ("NamesAccepted", "Established"):
        found = condition(definition.get("status") or {}, kind)
        if found is None or found.get("status") != "True":
            said = (found or {}).get("message", "")
            unmet.append(f"{kind} ({said})" if said else kind)
    return unmet


def _versions(definition: Object) -> list[str]:
    return [version["name"] for version in definition["spec"]["versions"] if version["served"]]


async def _serves(client: Client, definition: Object, version: str) -> bool:
    spec = definition["spec"]
    try:
        found = await client.request("GET", f"/apis/{spec['group']}/{version}")
    except NotFoundError:
        return False
    return any(one["name"] == spec["names"]["plural"] for one in found.get("resources") or ())
