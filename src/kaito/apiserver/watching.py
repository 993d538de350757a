"""Watches: the changes of a resource as a stream of JSON lines, from a resourceVersion or the present state on."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import orjson

from kaito.apiserver import status
from kaito.apiserver.reads import Reader, parse_version, partial, predicate_of
from kaito.apiserver.request import Accepted, Options, Target
from kaito.apiserver.resources import Resource
from kaito.apiserver.selection import Predicate
from kaito.apiserver.store import Change, Store, Watcher
from kaito.apiserver.versions import served_body, served_form
from kaito.core.clock import Clock, deadline
from kaito.core.errors import ApiError
from kaito.core.objects import Object

BOOKMARK_SECONDS = 60.0
_SHORTEST_SECONDS = 1800
"""A watch without timeoutSeconds ends after this or up to twice as long (kube-apiserver's `--min-request-timeout`)."""
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class WatchRequest:
    """One watch: of what, with which options, in which form."""

    resource: Resource
    target: Target
    options: Options
    accepted: Accepted

    @property
    def streams_list(self) -> bool:
        """Whether the present state is asked for, closed by a marked bookmark (streaming list)."""
        return self.options.flag("sendInitialEvents")

    @property
    def namespace(self) -> str | None:
        """The namespace that is watched, None for all."""
        return self.target.namespace or None if self.resource.namespaced else None


class WatchStream:
    """Runs one watch. `lines` yields bytes to send, until the time-out, shutdown, or a reader that is too slow."""

    def __init__(
        self, request: WatchRequest, reader: Reader, clock: Clock, chance: random.Random, bookmark_seconds: float
    ) -> None:
        self._request = request
        self._reader = reader
        self._store: Store = reader.store
        self._clock = clock
        self._bookmark_seconds = bookmark_seconds
        self._predicate = self._selected()
        self._from = self._starting_version()
        asked = request.options.number("timeoutSeconds")
        self._seconds = float(asked) if asked else _SHORTEST_SECONDS * (1 + chance.random())
        self._bookmarks = request.options.flag("allowWatchBookmarks")
        self._columns_sent = False
        self.stopped = False

    def _selected(self) -> Predicate | None:
        request = self._request
        return predicate_of(request.resource, request.options)

    def _starting_version(self) -> int:
        options = self._request.options
        version = parse_version(options.text("resourceVersion"))
        if version > self._store.version:
            raise status.too_large_resource_version(version, self._store.version)
        return version

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the stream, several lines at a time when several are due."""
        watcher = self._store.watch(self._request.resource.storage_key)
        try:
            try:
                yield self._beginning()
            except ApiError as error:
                yield _line("ERROR", orjson.dumps(status.status_body(error.status)))
                return
            async for chunk in self._follow(watcher):
                yield chunk
        finally:
            self._store.unwatch(self._request.resource.storage_key, watcher)

    def _beginning(self) -> bytes:
        """Return what comes first: the present state, or the changes since the version that was asked for."""
        request = self._request
        if request.streams_list or self._from == 0:
            rows = self._store.scan(request.resource.storage_key, request.namespace)
            present = (Change(0, "ADDED", key, body, None) for key, body in rows)
            lines = [line for change in present if (line := self._encode(change, body_known=False))]
            if request.streams_list and self._bookmarks:
                lines.append(self._bookmark({_INITIAL_EVENTS_END: "true"}))
            return b"".join(lines)
        if self._from < self._store.compacted:
            raise status.expired(f"too old resource version: {self._from} ({self._store.compacted})")
        return b"".join(self._replay())

    def _replay(self) -> Iterator[bytes]:
        storage = self._request.resource.storage_key
        for change in self._store.history(storage, self._from):
            previous = self._store.before(storage, change) if self._predicate and change.type == "MODIFIED" else None
            past = Change(change.version, change.type, change.key, change.body, previous)
            if line := self._encode(past, body_known=False):
                yield line

    async def _follow(self, watcher: Watcher) -> AsyncIterator[bytes]:
        end = self._clock.monotonic() + self._seconds
        bookmark = self._clock.monotonic() + self._bookmark_seconds
        while not self.stopped:
            changes = watcher.drain()
            if chunk := b"".join(line for change in changes if (line := self._encode(change))):
                yield chunk
            if watcher.overflowed:
                return
            now = self._clock.monotonic()
            if now >= min(end, bookmark):
                if self._bookmarks:
                    yield self._bookmark()
                if now >= end:
                    return
                bookmark = now + self._bookmark_seconds
            try:
                async with deadline(self._clock, min(end, bookmark) - now):
                    await watcher.wait()
            except TimeoutError:
                continue

    def _encode(self, change: Change, *, body_known: bool = True) -> bytes | None:
        """Return the line of a change, or None when it does not concern this watch."""
        request = self._request
        if request.namespace is not None and change.key.namespace != request.namespace:
            return None
        if self._predicate is None:
            return self._event(change.type, change.body)
        now = self._predicate(orjson.loads(change.body))
        if change.type == "ADDED":
            return self._event("ADDED", change.body) if now else None
        if change.previous is None:
            before = now if body_known else True
        else:
            before = self._predicate(orjson.loads(change.previous))
        if change.type == "DELETED":
            return self._event("DELETED", change.body) if now or (before and change.previous) else None
        if now:
            return self._event("MODIFIED" if before else "ADDED", change.body)
        return self._event("DELETED", self._last_seen(change)) if before else None

    def _last_seen(self, change: Change) -> bytes:
        """Return what the watcher saw last of an object that leaves its selection, with the version of leaving."""
        obj: Object = orjson.loads(change.previous or change.body)
        obj["metadata"]["resourceVersion"] = str(change.version)
        return orjson.dumps(obj)

    def _event(self, kind: str, body: bytes) -> bytes:
        request = self._request
        if request.accepted.table:
            table = self._reader.table(
                request.resource, [served_form(request.resource, orjson.loads(body))], request.options
            )
            if self._columns_sent:
                table["columnDefinitions"] = []
            self._columns_sent = True
            return _line(kind, orjson.dumps(table))
        if request.accepted.partial:
            return _line(kind, orjson.dumps(partial(orjson.loads(body))))
        return _line(kind, served_body(request.resource, body))

    def _bookmark(self, annotations: dict[str, str] | None = None) -> bytes:
        resource = self._request.resource
        meta: Object = {"resourceVersion": str(self._store.version)}
        if annotations:
            meta["annotations"] = annotations
        obj: Object = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        if self._request.accepted.table:
            rows = [{"cells": [], "object": partial(obj)}]
            obj = {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": meta,
                "columnDefinitions": [],
                "rows": rows,
            }
        elif self._request.accepted.partial:
            obj = partial(obj)
        return _line("BOOKMARK", orjson.dumps(obj))


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)
