"""Reads and writes of objects, as the Kubernetes API has them."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

import orjson
from prometheus_client import CollectorRegistry

from kaito.core.client.applied import AppliedObjects, LiveObjects
from kaito.core.client.apply import desired_object, digest, marked
from kaito.core.client.codec import read_object
from kaito.core.client.connection import ConnectionSettings
from kaito.core.client.deletion import Propagation, delete_options, deletions
from kaito.core.client.discovery import Resource
from kaito.core.client.fence import require_permission
from kaito.core.client.options import WriteDefaults, WriteOptions
from kaito.core.client.patches import CONTENT_TYPES, PatchType
from kaito.core.client.reading import Reader, selection
from kaito.core.client.transport import Transport
from kaito.core.client.writes import Write, record
from kaito.core.clock import Clock, SystemClock
from kaito.core.errors import KaitoError
from kaito.core.objects import PARTIAL_OBJECT_METADATA, Key, Kind, Object, key_of


class Client(Reader):
    """A connection to one API server, acting as one field manager. Methods raise ApiError, ConnectionLostError.

    `with_options` and `with_namespace` return clients that share this one's connections. Their writes are fenced,
    recorded and compared with the cache like this one's.
    """

    def __init__(self, transport: Transport, *, field_manager: str, namespace: str = "default") -> None:
        super().__init__(transport, namespace)
        self._defaults = WriteDefaults(field_manager)
        self._applied = AppliedObjects()

    @classmethod
    async def connect(
        cls,
        settings: ConnectionSettings,
        *,
        field_manager: str,
        user_agent: str = "",
        clock: Clock | None = None,
        registry: CollectorRegistry | None = None,
        detailed_metrics: bool = False,
    ) -> "Client":
        """Return a client. No request is made yet.

        `detailed_metrics` adds durations, sizes and retries to the count of requests that is always kept.
        """
        agent = user_agent or field_manager
        clock = clock or SystemClock()
        transport = Transport(settings, clock, agent, registry, detailed_metrics=detailed_metrics)
        return cls(transport, field_manager=field_manager, namespace=settings.namespace)

    @property
    def field_manager(self) -> str:
        """Whose fields our writes are."""
        return self._defaults.field_manager

    def with_options(self, **options: Unpack[WriteOptions]) -> "Client":
        """Return a client whose writes have these options; a single write may say otherwise.

        `with_options(dry_run=True)` is a client that changes nothing, whatever a single write says.
        """
        return self._with(_defaults=self._defaults.with_options(options))

    def with_namespace(self, namespace: str) -> "Client":
        """Return a client bound to a namespace: others are refused (KaitoError NamespaceMismatch)."""
        return self._with(namespace=namespace, _only_namespace=True)

    def _with(self, **attributes: Any) -> "Client":
        client = copy.copy(self)
        vars(client).update(attributes)
        return client

    def compare_with(self, live: LiveObjects) -> None:
        """Let `apply` leave out requests for objects that `live` shows to be as desired."""
        self._applied.live = live

    async def close(self) -> None:
        """Close all connections; watches end."""
        await self._transport.close()

    async def create(self, obj: Object, **options: Unpack[WriteOptions]) -> Object:
        """POST an object. Raises AlreadyExistsError."""
        resource = await self._resource_of(obj)
        said = self._defaults.with_options(options)
        path = resource.path(self._complete(resource, key_of(obj)).namespace)
        answer = await self._send("POST", path, obj, said.parameters())
        return self._written(obj["apiVersion"], obj["kind"], answer, said)

    async def update(self, obj: Object, *, subresource: str = "", **options: Unpack[WriteOptions]) -> Object:
        """PUT an object. Raises ConflictError if its resourceVersion is stale."""
        resource = await self._resource_of(obj)
        said = self._defaults.with_options(options)
        path = resource.path_of(self._complete(resource, key_of(obj)), subresource)
        answer = await self._send("PUT", path, obj, said.parameters())
        return self._written(obj["apiVersion"], obj["kind"], answer, said)

    async def apply(
        self,
        obj: Object,
        *,
        owner: Object | None = None,
        subresource: str = "",
        force: bool = True,
        **options: Unpack[WriteOptions],
    ) -> Object:
        """Server-side apply `obj` under our field manager, with `owner` as its controller; creates what is missing.

        No request is made when the cache shows the object to be so already. With `metadata.uid` in `obj`, it must exist
        and be that one: ConflictError otherwise. Without `force`, a field owned by another manager is a ConflictError.
        """
        resource = await self._resource_of(obj)
        said = self._defaults.with_options(options)
        parameters = said.apply_parameters(force=force)
        key = self._complete(resource, key_of(obj))
        desired = desired_object(obj, owner, key.namespace)
        mark = digest(desired, said.field_manager)
        if not said.dry_run and (live := self._applied.find(desired, key, subresource, mark)) is not None:
            return live
        body = desired if subresource else marked(desired, mark)
        path = resource.path_of(key, subresource)
        answer = await self._send("PATCH", path, body, parameters, CONTENT_TYPES["apply"])
        if subresource and not said.dry_run:
            self._applied.remember(desired, key, subresource, mark)
        return self._written(obj["apiVersion"], obj["kind"], answer, said)

    async def patch(
        self,
        kind: Kind[Any],
        key: Key,
        body: Object | Sequence[Any],
        *,
        patch_type: PatchType = "merge",
        subresource: str = "",
        force: bool = False,
        **options: Unpack[WriteOptions],
    ) -> Object:
        """PATCH an object. Raises NotFoundError; ConflictError for a stale resourceVersion in `body`.

        Type "apply" sends `body` as it is, where `apply` compares and marks; `force` is for that type alone.
        """
        resource = await self.resource(kind)
        said = self._defaults.with_options(options)
        parameters = said.apply_parameters(force=force) if patch_type == "apply" else said.parameters()
        path = resource.path_of(self._complete(resource, key), subresource)
        answer = await self._send("PATCH", path, body, parameters, CONTENT_TYPES[patch_type])
        return self._written(kind.api_version, kind.kind, answer, said)

    async def create_subresource(
        self, kind: Kind[Any], key: Key, subresource: str, body: Object, **options: Unpack[WriteOptions]
    ) -> Object:
        """POST what has a form of its own, such as the `eviction` or `binding` of a Pod, or a `token`."""
        return await self._write_subresource("POST", kind, key, subresource, body, options)

    async def update_subresource(
        self, kind: Kind[Any], key: Key, subresource: str, body: Object, **options: Unpack[WriteOptions]
    ) -> Object:
        """PUT a subresource in a form of its own, such as the `scale` of a Deployment. Raises ConflictError."""
        return await self._write_subresource("PUT", kind, key, subresource, body, options)

    async def delete(
        self,
        kind: Kind[Any],
        key: Key,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = "",
        grace_period_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete an object; with `uid` or `resource_version` only that one (ConflictError). Raises NotFoundError."""
        resource = await self.resource(kind)
        key = self._complete(resource, key)
        dry_run = dry_run or self._defaults.dry_run
        options = delete_options(propagation, grace_period_seconds, dry_run, uid, resource_version)
        answer = await self._send("DELETE", resource.path_of(key), options, {})
        if dry_run:
            return
        if answer.get("kind") == kind.kind and answer.get("metadata", {}).get("deletionTimestamp"):
            _record(kind.api_version, kind.kind, answer)  # finalizers hold it: a change, not yet the end
            return
        gone = uid or answer.get("metadata", {}).get("uid") or (answer.get("details") or {}).get("uid", "")
        record(Write(kind.api_version, kind.kind, key, uid=gone, deleted=True))

    async def delete_all(
        self,
        kind: Kind[Any],
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        propagation: Propagation = "",
        grace_period_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete the objects of a namespace that are selected; without one, those of the client's own namespace."""
        resource = await self.resource(kind)
        dry_run = dry_run or self._defaults.dry_run
        path = resource.path(self._complete(resource, Key(namespace or "", "")).namespace)
        options = delete_options(propagation, grace_period_seconds, dry_run)
        answer = await self._send("DELETE", path, options, selection(labels, fields))
        if not dry_run:
            for write in deletions(kind, answer, propagation):
                record(write)

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
        if method not in ("GET", "HEAD"):
            require_permission(f"{method} {path}")
            if self._defaults.dry_run:
                params = {**(params or {}), "dryRun": "All"}
        payload = None if body is None else orjson.dumps(body)
        answer = await self._transport.request(method, path, params=params, body=payload, headers=headers)
        try:
            return orjson.loads(answer) if answer else None
        except orjson.JSONDecodeError:
            return answer.decode(errors="replace")

    async def _write_subresource(
        self,
        method: Literal["POST", "PUT"],
        kind: Kind[Any],
        key: Key,
        subresource: str,
        body: Object,
        options: WriteOptions,
    ) -> Object:
        resource = await self.resource(kind)
        said = self._defaults.with_options(options)
        path = resource.path_of(self._complete(resource, key), subresource)
        answer = await self._send(method, path, body, said.parameters())
        return self._written(kind.api_version, kind.kind, answer, said)

    async def _send(
        self, method: str, path: str, body: Any, params: Mapping[str, str], content_type: str = "application/json"
    ) -> Object:
        require_permission(f"{method} {path}")
        answer = await self._transport.request(
            method, path, params=params, body=orjson.dumps(body), headers={"Content-Type": content_type}
        )
        return read_object(answer, f"{method} {path}") if answer else {}

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
        if kind == PARTIAL_OBJECT_METADATA:
            raise KaitoError(
                "ObjectIncomplete",
                f"{key_of(obj)} is metadata alone, which cannot be written",
                terminal=True,
                remedy="Patch the object, or read it whole.",
            )
        return await self._discovery.find(api_version, kind)

    def _written(self, api_version: str, kind: str, answer: Object, said: WriteDefaults) -> Object:
        if not said.dry_run:
            _record(api_version, kind, answer)
        return answer


def _record(api_version: str, kind: str, written: Object) -> None:
    """Note that an object of this kind is now as `written`, which may be a subresource of another form."""
    metadata = written.get("metadata") or {}
    if metadata.get("resourceVersion"):
        record(
            Write(
                api_version,
                kind,
                key_of(written),
                metadata["resourceVersion"],
                metadata.get("uid", ""),
                labels=metadata.get("labels") or {},
            )
        )
