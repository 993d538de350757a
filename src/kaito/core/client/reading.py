"""Reads of objects from the server: one, all, page by page, and as they change."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec
import orjson

from kaito.core.client.codec import RawList, decode, read_list, read_object
from kaito.core.client.discovery import Discovery, Resource
from kaito.core.client.items import ItemSplitter
from kaito.core.client.transport import Transport
from kaito.core.client.watch import Batches, WatchEvent, error_of, open_watch
from kaito.core.errors import ConnectionLostError, ExpiredError, KaitoError
from kaito.core.objects import PARTIAL_OBJECT_METADATA, Key, Kind, Object, PartialObjectMetadata

T = TypeVar("T")

_PART_BYTES: Final = 256 << 10
"""How much of a list is taken apart at a time. What came compressed may arrive as one chunk of many megabytes."""
PAGE_SIZE: Final = 500
"""Objects per page of a list, as client-go's pager asks."""


@dataclass(frozen=True)
class ObjectList(Generic[T]):
    """The objects of a list or of a page of it, and the version of the collection that it shows."""

    items: list[T]
    resource_version: str


class Reader:
    """Reads from one API server; nothing is cached. Methods raise ApiError, ConnectionLostError."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self.namespace = namespace
        self._only_namespace = False
        self._transport = transport
        self._discovery = Discovery(transport)

    async def resource(self, kind: Kind[Any]) -> Resource:
        """Return where a kind lives. Raises NotFoundError while its CRD is missing."""
        return await self._discovery.of_kind(kind)

    def known_resource(self, kind: Kind[Any]) -> Resource | None:
        """Return where a kind lives, if that has been found out already."""
        return self._discovery.known(kind.api_version, kind.kind)

    async def get(self, kind: Kind[T], key: Key) -> T:
        """Read one object. Raises NotFoundError."""
        resource = await self.resource(kind)
        path = resource.path_of(self._complete(resource, key))
        return decode(kind, await self._transport.request("GET", path, headers=_form(kind)))

    async def get_subresource(self, kind: Kind[Any], key: Key, subresource: str) -> Object:
        """Read a subresource in its own form, such as the `scale` of a Deployment. Raises NotFoundError."""
        resource = await self.resource(kind)
        path = resource.path_of(self._complete(resource, key), subresource)
        return read_object(await self._transport.request("GET", path), f"GET {path}")

    async def list(
        self, kind: Kind[T], namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = 0
    ) -> ObjectList[T]:
        """Read all objects; `limit` is the size of a page (0: all in one answer).

        A list whose pages expire on the way is read again, in one answer.
        """
        items, version = [], ""
        try:
            async for page in self.pages(kind, namespace, labels=labels, fields=fields, limit=limit):
                items += page.items
                version = page.resource_version
        except ExpiredError:
            if not version:
                raise
            return await self.list(kind, namespace, labels=labels, fields=fields)
        return ObjectList(items, version)

    async def pages(
        self, kind: Kind[T], namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = PAGE_SIZE
    ) -> AsyncGenerator[ObjectList[T], None]:
        """Yield the objects page by page, all of one version. Raises ExpiredError if the server has forgotten it."""
        token = ""
        while True:
            page = await self.list_page(
                kind, namespace, labels=labels, fields=fields, limit=limit, continue_token=token
            )
            items = [decode(kind, identified(kind, item)) for item in page.items or ()]
            yield ObjectList(items, page.metadata.resource_version)
            token = page.metadata.continue_
            if not token:
                return

    async def list_page(
        self,
        kind: Kind[Any],
        namespace: str | None = None,
        *,
        resource_version: str = "",
        exact: bool = False,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> RawList:
        """Read one page, undecoded; `exact` asks for the state at `resource_version`, not for one at least as new.

        Pages after the first carry the token alone, as the API wants it.
        """
        params = selection(labels, fields) | _page(resource_version, exact, limit, continue_token)
        path = await self._collection(kind, namespace)
        answer = await self._transport.request("GET", path, params=params, headers=_form(kind, "List"))
        with _a_list(kind):
            return _checked(read_list(answer))

    async def list_parts(
        self,
        kind: Kind[Any],
        namespace: str | None = None,
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> AsyncGenerator[RawList, None]:
        """Yield one page, undecoded, in parts as it arrives; the last part has its metadata. Never tried again."""
        params = selection(labels, fields) | _page(resource_version, False, limit, continue_token)
        path = await self._collection(kind, namespace)
        splitter = ItemSplitter()
        async with self._transport.stream(path, params, _form(kind, "List")) as chunks, aclosing(chunks):
            async for chunk in chunks:
                for start in range(0, len(chunk), _PART_BYTES):
                    if items := splitter.feed(chunk[start : start + _PART_BYTES]):
                        yield RawList(items=items)
        with _a_list(kind):
            last = _checked(splitter.finish())
        yield last

    async def watch(
        self,
        kind: Kind[T],
        namespace: str | None = None,
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
        timeout_seconds: int = 300,
    ) -> AsyncGenerator[WatchEvent[T], None]:
        """Yield the changes of one watch request, until the server ends it. Raises ApiError for an ERROR event.

        This is the low level; a controller's cache reconnects and lists again by itself.
        """
        stream = await self.open_watch(
            kind, namespace, resource_version=resource_version, labels=labels, fields=fields, timeout=timeout_seconds
        )
        async with stream as batches:
            async for batch in batches:
                for event in batch:
                    if event.type == "ERROR":
                        raise error_of(event)
                    if event.type != "BOOKMARK":
                        yield WatchEvent(event.type, decode(kind, bytes(event.object)))

    async def open_watch(
        self,
        kind: Kind[Any],
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
        timeout: int,  # noqa: ASYNC109 - the server's limit, not ours
        initial_events: bool = False,
    ) -> AbstractAsyncContextManager[Batches]:
        """Return a context that opens a watch and yields batches of undecoded events; `timeout` in seconds.

        With `initial_events` it begins with what exists, not older than `resource_version`, as ADDED events; the end of
        those is marked by a bookmark.
        """
        params = selection(labels, fields)
        params |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(timeout)}
        if resource_version:
            params["resourceVersion"] = resource_version
        if initial_events:
            params |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        path = await self._collection(kind, namespace)
        return open_watch(self._transport, path, params, _form(kind))

    def _complete(self, resource: Resource, key: Key) -> Key:
        """Return the key with the client's namespace where it has none. Raises KaitoError NamespaceMismatch."""
        if not resource.namespaced:
            return Key("", key.name)
        if self._only_namespace and key.namespace and key.namespace != self.namespace:
            raise self._elsewhere(f"{resource.plural} {key}")
        return key if key.namespace else Key(self.namespace, key.name)

    async def _collection(self, kind: Kind[Any], namespace: str | None) -> str:
        """Return the path of a kind's objects in a namespace, or in all. Raises KaitoError NamespaceMismatch."""
        resource = await self.resource(kind)
        if not self._only_namespace or not resource.namespaced:
            return resource.path(namespace or "")
        if namespace and namespace != self.namespace:
            raise self._elsewhere(f"{resource.plural} of namespace {namespace}")
        return resource.path(self.namespace)

    def _elsewhere(self, what: str) -> KaitoError:
        return KaitoError(
            "NamespaceMismatch",
            f"{what}: this client is bound to namespace {self.namespace}",
            terminal=True,
            remedy="Use a client without `with_namespace`, or leave the namespace out.",
        )


def selection(labels: str, fields: str) -> dict[str, str]:
    """Return the query of a selection."""
    return {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _page(resource_version: str, exact: bool, limit: int, continue_token: str) -> dict[str, str]:
    params = {"limit": str(limit)} if limit else {}
    if continue_token:
        return params | {"continue": continue_token}
    if resource_version:
        params["resourceVersion"] = resource_version
        if exact:
            params["resourceVersionMatch"] = "Exact"
    return params


@contextmanager
def _a_list(kind: Kind[Any]) -> Iterator[None]:
    """Take an answer that is no list for a broken connection: what stood between was no API server."""
    try:
        yield
    except ValueError as error:
        raise ConnectionLostError(f"LIST {kind}: the answer is no list: {error}") from error


def _checked(page: RawList) -> RawList:
    """Return the page. Raises ValueError for a Table, or whatever else would read as a list without items."""
    if not page.kind.endswith("List"):
        raise ValueError(f"its kind is {page.kind!r}")
    return page


def _form(kind: Kind[Any], suffix: str = "") -> Mapping[str, str]:
    """Return the header that asks for the metadata alone, if that is what `kind` is read as."""
    if kind.model is not PartialObjectMetadata:
        return {}
    return {"Accept": f"application/json;as={PARTIAL_OBJECT_METADATA}{suffix};g=meta.k8s.io;v=v1"}


def identified(kind: Kind[Any], item: msgspec.Raw) -> bytes:
    """Return a private copy of a list item that says its kind: in lists of built-in kinds the server leaves it out."""
    fields = _FIELDS.decode(item)
    if "kind" in fields and "apiVersion" in fields:
        return bytes(item)
    named = {
        "apiVersion": msgspec.Raw(orjson.dumps(kind.api_version)),
        "kind": msgspec.Raw(orjson.dumps(kind.kind)),
    }
    return msgspec.json.encode({**named, **fields})


_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
