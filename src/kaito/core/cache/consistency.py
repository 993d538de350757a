"""Whether a server lists what it streamed: for debugging servers, never on by itself."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from kaito.core.cache.entry import CacheEntry
from kaito.core.cache.selection import Scope
from kaito.core.client import Client
from kaito.core.objects import Key, Kind

_SHOWN: Final = 20


async def differences(
    client: Client,
    kind: Kind[Any],
    scope: Scope,
    read: Callable[[msgspec.Raw], CacheEntry[Any]],
    streamed: Iterable[CacheEntry[Any]],
    version: str,
) -> list[str]:
    """Return keys, twenty at most, of which a list at exactly `version` says something else than `streamed`.

    Raises ApiError, ConnectionLostError; ExpiredError when the server does not remember that version any more.
    """
    listed: dict[Key, str] = {}
    token = ""
    while True:
        page = await client.list_page(
            kind,
            scope.namespace,
            resource_version=version,
            exact=True,
            labels=scope.labels,
            fields=scope.fields,
            limit=500,
            continue_token=token,
        )
        for item in page.items or ():
            metadata = read(item).metadata
            listed[metadata.key] = f"{metadata.uid} {metadata.resource_version}"
        if not (token := page.metadata.continue_):
            break
    had = {entry.key: f"{entry.metadata.uid} {entry.metadata.resource_version}" for entry in streamed}
    return sorted(str(key) for key in listed.keys() | had.keys() if listed.get(key) != had.get(key))[:_SHOWN]
