"""Reads and writes of objects, as the Kubernetes API has them."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

import msgspec
import orjson
from prometheus_client import CollectorRegistry

from kaito.core.client.apply import desired_object, digest, is_applied, marked
from kaito.core.client.codec import RawList, decode, read_list
from kaito.core.client.connection import ConnectionSettings
from kaito.core.client.discovery import Discovery, Resource
from kaito.core.client.fence import require_permission
from kaito.core.client.meaning import already_says
from kaito.core.client.transport import Transport
from kaito.core.client.watch import Batches, WatchEvent, error_of, open_watch
from kaito.core.client.writes import Write, record
from kaito.core.clock import Clock, SystemClock
from kaito.core.errors import ConnectionLostError, KaitoError
from kaito.core.objects import Key, Kind, Object, key_of

T = TypeVar("T")

PAGE_SIZE: Final = 500
"""Objects per page of a list, as client-go's pager asks."""
_REMEMBERED_APPLIES: Final = 65_536
_APPLY_TYPE: Final = "application/apply-patch+yaml"
_PATCH_TYPES: Final = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


@dataclass(frozen=True)
class ObjectList(Generic[T]):
    """The objects of a list, and the version of the collection that it shows."""

    items: list[T]
    resource_version: str


class LiveObjects(Protocol):
    """What the client asks of a cache: the live object, if the kind is cached and the object exists."""

    def live(self, api_version: str, kind: str, key: Key) -> Object | None:
        """Return a private copy of the cached object, or None."""
        ...


class Client:
    """A connection to one API server, acting as one field manager. Methods raise ApiError, ConnectionLostError."""

    def __init__(self, transport: Transport, *, field_manager: str, namespace: str = "default") -> None:
        self.field_manager = field_manager
        self.namespace = namespace
        self._transport = transport
        self._discovery = Discovery(transport)
        self._live: LiveObjects | None = None
        self._applied: OrderedDict[tuple[str, str, Key, str], str] = OrderedDict()

    @classmethod
    async def connect(
        cls,
        settings: ConnectionSettings,
        *,
        field_manager: str,
        user_agent: str = "",
        clock: Clock | None = None,
        registry: CollectorRegistry | None = None,
    ) -> "Client":
        """Return a client. No request is made yet."""
        transport = Transport(settings, clock or SystemClock(), user_agent or field_manager, registry)
        return cls(transport, field_manager=field_manager, namespace=settings.namespace)

    def compare_with(self, live: LiveObjects) -> None:
        """Let `apply` leave out requests for objects that `live` shows to be as desired."""
        self._live = live

    async def close(self) -> None:
        """Close all connections; watches end."""
        await self._transport.close()

    async def resource(self, kind: Kind[Any]) -> Resource:
        """Return where a kind lives. Raises NotFoundError while its CRD is missing."""
        return await self._discovery.of_kind(kind)

    def known_resource(self, kind: Kind[Any]) -> Resource | None:
        """Return where a kind lives, if that has been found out already."""
        return self._discovery.known(kind.api_version, kind.kind)

    async def get(self, kind: Kind[T], key: Key) -> T:
        """Read one object from the server. Raises NotFoundError."""
        resource = await self.resource(kind)
        return decode(kind, await self._transport.request("GET", resource.path_of(key)))

    async def list(
        self, kind: Kind[T], namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = 0
    ) -> ObjectList[T]:
        """Read all objects from the server; `limit` is the size of a page (0: the server's choice)."""
        items: list[T] = []
        token = ""
        while True:
            page = await self.list_page(
                kind, namespace, labels=labels, fields=fields, limit=limit, continue_token=token
            )
            items += [decode(kind, identified(kind, item)) for item in page.items or ()]
            token = page.metadata.continue_
            if not token:
                return ObjectList(items, page.metadata.resource_version)

    async def list_page(
        self,
        kind: Kind[Any],
        namespace: str | None = None,
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> RawList:
        """Read one page, undecoded. Pages after the first carry the token alone, as the API wants it."""
        resource = await self.resource(kind)
        params = _selection(labels, fields)
        if limit:
            params["limit"] = str(limit)
        if continue_token:
            params["continue"] = continue_token
        elif resource_version:
            params["resourceVersion"] = resource_version
        answer = await self._transport.request("GET", resource.path(namespace or ""), params=params)
        try:
            return read_list(answer)
        except msgspec.MsgspecError as error:
            raise ConnectionLostError(f"LIST {kind}: the answer is no list: {error}") from error

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """POST an object. Raises AlreadyExistsError."""
        resource = await self._resource_of(obj)
        key = key_of(obj)
        namespace = key.namespace or self.namespace if resource.namespaced else ""
        answer = await self._write("POST", resource.path(namespace), obj, self._params(dry_run))
        if not dry_run:
            self._record(answer)
        return answer

    async def update(self, obj: Object, *, subresource: str = "") -> Object:
        """PUT an object. Raises ConflictError if its resourceVersion is stale."""
        resource = await self._resource_of(obj)
        path = resource.path_of(self._complete(resource, key_of(obj)), subresource)
        answer = await self._write("PUT", path, obj, self._params(False))
        self._record(answer)
        return answer

    async def apply(
        self, obj: Object, *, owner: Object | None = None, subresource: str = "", force: bool = True
    ) -> Object:
        """Server-side apply `obj` under our field manager, with `owner` as its controller; creates what is missing.

        No request is made when the cache shows the object to be so already. With `metadata.uid` in `obj`, it must exist
        and be that one: ConflictError otherwise. Without `force`, a field owned by another manager is a ConflictError.
        """
        resource = await self._resource_of(obj)
        key = self._complete(resource, key_of(obj))
        desired = desired_object(obj, owner)
        if key.namespace:
            desired["metadata"]["namespace"] = key.namespace
        mark = digest(desired)
        if (live := self._already_applied(desired, key, subresource, mark)) is not None:
            return live
        body = desired if subresource else marked(desired, mark)
        params = {**self._params(False), "force": "true" if force else "false"}
        answer = await self._write("PATCH", resource.path_of(key, subresource), body, params, _APPLY_TYPE)
        self._record(answer)
        if subresource:
            self._remember(desired, key, subresource, mark)
        return answer

    def _already_applied(self, desired: Object, key: Key, subresource: str, mark: str) -> Object | None:
        """Return the cached object if it is as desired.

        Subresources cannot carry the annotation, so their digests are remembered here; after a restart of the process
        the first apply is sent, and changes nothing.
        """
        api_version, kind = desired["apiVersion"], desired["kind"]
        if self._live is None or (live := self._live.live(api_version, kind, key)) is None:
            return None
        if not subresource:
            return live if is_applied(live, desired, mark) else None
        remembered = self._applied.get((api_version, kind, key, subresource))
        same = remembered == f"{mark} {live['metadata'].get('uid', '')}"
        return live if same and already_says(live, desired) else None

    def _remember(self, desired: Object, key: Key, subresource: str, mark: str) -> None:
        place = (desired["apiVersion"], desired["kind"], key, subresource)
        live = self._live.live(*place[:3]) if self._live is not None else None
        if live is None:
            return
        self._applied[place] = f"{mark} {live['metadata'].get('uid', '')}"
        self._applied.move_to_end(place)
        if len(self._applied) > _REMEMBERED_APPLIES:
            self._applied.popitem(last=False)

    async def patch(
        self,
        kind: Kind[Any],
        key: Key,
        body: Object | Sequence[Any],
        *,
        patch_type: Literal["merge", "json", "strategic"] = "merge",
        subresource: str = "",
    ) -> Object:
        """PATCH an object that exists. Raises NotFoundError; ConflictError for a stale resourceVersion in `body`."""
        resource = await self.resource(kind)
        path = resource.path_of(self._complete(resource, key), subresource)
        answer = await self._write("PATCH", path, body, self._params(False), _PATCH_TYPES[patch_type])
        self._record(answer)
        return answer

    async def delete(
        self,
        kind: Kind[Any],
        key: Key,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Literal["Background", "Foreground", "Orphan", ""] = "",
        grace_period_seconds: int | None = None,
    ) -> None:
        """Delete an object; with `uid` or `resource_version` only that one (ConflictError). Raises NotFoundError."""
        resource = await self.resource(kind)
        key = self._complete(resource, key)
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions := {n: v for n, v in (("uid", uid), ("resourceVersion", resource_version)) if v}:
            options["preconditions"] = preconditions
        if propagation:
            options["propagationPolicy"] = propagation
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        answer = await self._write("DELETE", resource.path_of(key), options, {})
        if answer.get("kind") == kind.kind and answer.get("metadata", {}).get("deletionTimestamp"):
            self._record(answer)  # finalizers hold it: a change, not yet the end
            return
        gone = uid or answer.get("metadata", {}).get("uid") or (answer.get("details") or {}).get("uid", "")
        record(Write(kind.api_version, kind.kind, key, uid=gone, deleted=True))

    async def watch(
        self,
        kind: Kind[Any],
        namespace: str | None = None,
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
        timeout_seconds: int = 300,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield the events of one watch request, until the server ends it. Raises ApiError for an ERROR event.

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
                    yield WatchEvent(event.type, orjson.loads(bytes(event.object)))

    async def open_watch(
        self,
        kind: Kind[Any],
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
        timeout: int,  # noqa: ASYNC109 - the server's limit, not ours
    ) -> AbstractAsyncContextManager[Batches]:
        """Return a context that opens a watch and yields batches of undecoded events; `timeout` in seconds."""
        resource = await self.resource(kind)
        params = _selection(labels, fields)
        params |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(timeout)}
        if resource_version:
            params["resourceVersion"] = resource_version
        return open_watch(self._transport, resource.path(namespace or ""), params)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send any request: JSON in, JSON out. An answer that is no JSON is returned as text."""
        payload = None if body is None else orjson.dumps(body)
        answer = await self._transport.request(method, path, params=params, body=payload, headers=headers)
        try:
            return orjson.loads(answer) if answer else None
        except orjson.JSONDecodeError:
            return answer.decode(errors="replace")

    async def _write(
        self, method: str, path: str, body: Any, params: Mapping[str, str], content_type: str = "application/json"
    ) -> Object:
        require_permission(f"{method} {path}")
        answer = await self._transport.request(
            method, path, params=params, body=orjson.dumps(body), headers={"Content-Type": content_type}
        )
        written: Object = orjson.loads(answer) if answer else {}
        return written

    async def _resource_of(self, obj: Object) -> Resource:
        try:
            api_version, kind = obj["apiVersion"], obj["kind"]
            obj["metadata"]
        except KeyError as error:
            raise KaitoError(
                "ObjectIncomplete",
                f"an object to write has no {error.args[0]}",
                terminal=True,
                remedy="Give it apiVersion, kind and metadata.",
            ) from error
        return await self._discovery.find(api_version, kind)

    def _complete(self, resource: Resource, key: Key) -> Key:
        return Key(key.namespace or self.namespace, key.name) if resource.namespaced else Key("", key.name)

    def _params(self, dry_run: bool) -> dict[str, str]:
        params = {"fieldManager": self.field_manager}
        return {**params, "dryRun": "All"} if dry_run else params

    def _record(self, written: Object) -> None:
        metadata = written.get("metadata") or {}
        if metadata.get("resourceVersion") and "kind" in written:
            record(
                Write(
                    written["apiVersion"],
                    written["kind"],
                    key_of(written),
                    metadata["resourceVersion"],
                    metadata.get("uid", ""),
                    labels=metadata.get("labels") or {},
                )
            )


def _selection(labels: str, fields: str) -> dict[str, str]:
    return {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


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
