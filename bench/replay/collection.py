"""The objects of one resource, their versions and their watchers."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal

import orjson

from bench.replay.families import Family

HISTORY: Final = 10_000
"""Events kept for watches that begin at an older version."""
FIRST_VERSION: Final = 1_000_000

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
Versions = Iterator[int]
_GONE: Final = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "too old resource version",
    "reason": "Expired",
    "code": 410,
}


def versions() -> Versions:
    """Return the counter that all collections of a server share."""
    return count(FIRST_VERSION)


def line(event_type: EventType, obj: bytes) -> bytes:
    """Return one line of a watch."""
    return b'{"type":"%b","object":%b}\n' % (event_type.encode(), obj)


GONE: Final = orjson.dumps(_GONE)


class Watcher:
    """What one open watch has still to send."""

    def __init__(self, name: str = "") -> None:
        self.closing = False
        self._name = name
        self._pending: list[bytes] = []
        self._wake = asyncio.Event()

    def send(self, name: str, event: bytes, *, last: bool = False) -> None:
        """Queue a line about the object `name`; `last` ends the watch."""
        if not self._name or not name or name == self._name:
            self._pending.append(event)
        self.closing = self.closing or last
        self._wake.set()

    async def take(self, within: float) -> bytes:
        """Return all that is queued, waiting for it up to so many seconds."""
        if not self._pending and not self.closing:
            try:
                async with asyncio.timeout(within):
                    await self._wake.wait()
            except TimeoutError:
                return b""
        self._wake.clear()
        pending, self._pending = self._pending, []
        return b"".join(pending)


@dataclass(slots=True)
class Item:
    """One object: when it last changed, and how it is written down."""

    version: int
    at: float
    render: Callable[[str, int, float], bytes]


@dataclass
class Collection:
    """Objects of one resource by name; all are in one namespace, or in none."""

    path: str
    kind: str
    api_version: str
    plural: str
    versions: Versions
    items: dict[str, Item] = field(default_factory=dict)
    watchers: set[Watcher] = field(default_factory=set)
    version: int = FIRST_VERSION
    oldest: int = 0
    emitted: dict[str, int] = field(default_factory=dict)
    _history: deque[tuple[int, str, bytes]] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def generate(self, family: Family, number: int, suffix: str = "") -> None:
        """Make up so many objects, before anybody watches."""
        for index in range(number):
            self.version = next(self.versions)
            self.items[f"object-{index:06d}{suffix}"] = Item(self.version, time.time(), family.render)
        self.oldest = self.version

    def render(self, name: str) -> bytes:
        """Return the JSON of one object. KeyError if there is none."""
        item = self.items[name]
        return item.render(name, item.version, item.at)

    def put(self, name: str, render: Callable[[str, int, float], bytes], *, silent: bool = False) -> bytes:
        """Add or change an object and tell the watchers, unless `silent`; returns its JSON."""
        event_type: EventType = "MODIFIED" if name in self.items else "ADDED"
        self.version = next(self.versions)
        self.items[name] = Item(self.version, time.time(), render)
        obj = self.render(name)
        self._tell(event_type, name, obj, silent)
        return obj

    def touch(self, name: str, *, silent: bool = False) -> None:
        """Change an object: a new version, a new time."""
        self.put(name, self.items[name].render, silent=silent)

    def remove(self, name: str, *, silent: bool = False) -> None:
        """Delete an object. KeyError if there is none."""
        item = self.items.pop(name)
        self.version = next(self.versions)
        self._tell("DELETED", name, item.render(name, self.version, time.time()), silent)

    def since(self, version: int) -> list[tuple[str, bytes]] | None:
        """Return the events after `version` as names and lines, or None if they are not all known any more."""
        known_from = self._history[0][0] - 1 if len(self._history) == HISTORY else 0
        if version < max(self.oldest, known_from):
            return None
        return [(name, event) for at, name, event in self._history if at > version]

    def expire(self) -> None:
        """Forget all history: every open watch ends with 410, and so does one from a version seen before now."""
        self._history.clear()
        self.version = next(self.versions)
        self.oldest = self.version
        for watcher in tuple(self.watchers):
            watcher.send("", line("ERROR", GONE), last=True)
        self.watchers.clear()

    def bookmark(self, *, initial: bool = False) -> bytes:
        """Return the line of a bookmark; an `initial` one says that a streaming list is complete."""
        metadata: dict[str, object] = {"resourceVersion": str(self.version)}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return line("BOOKMARK", orjson.dumps({"kind": self.kind, "apiVersion": self.api_version, "metadata": metadata}))

    def _tell(self, event_type: EventType, name: str, obj: bytes, silent: bool) -> None:
        self.emitted[event_type] = self.emitted.get(event_type, 0) + 1
        if silent:
            return
        event = line(event_type, obj)
        self._history.append((self.version, name, event))
        for watcher in self.watchers:
            watcher.send(name, event)
