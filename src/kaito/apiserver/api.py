"""The resource API: each request below /api and /apis that names a resource goes to the verb it means."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import orjson
from aiohttp import web

from kaito.apiserver import authorization, deletion, eviction, request, reviews, status, subresources
from kaito.apiserver.admission import Write
from kaito.apiserver.answers import json_answer
from kaito.apiserver.audit import AuditEvent
from kaito.apiserver.authorization import Action
from kaito.apiserver.identity import Identities, Identity
from kaito.apiserver.list_options import require_list_options
from kaito.apiserver.pod_logs import PodLogs
from kaito.apiserver.pod_streams import STREAMS, PodStreams
from kaito.apiserver.reads import Reader
from kaito.apiserver.request import Accepted, Options, Target
from kaito.apiserver.resources import Resource
from kaito.apiserver.type_meta import settle_written
from kaito.apiserver.versions import served_form
from kaito.apiserver.watching import WatchRequest, WatchStream
from kaito.apiserver.webhooks import Gate, WebhookAdmission
from kaito.apiserver.write_options import MAX_MANAGER, require_write_options
from kaito.apiserver.writes import Outcome, Writer
from kaito.core.clock import Clock
from kaito.core.objects import Key, Object

_MAX_BODY_BYTES = 3 << 20
"""kube-apiserver's limit of a request body."""

B = TypeVar("B")


@dataclass(frozen=True)
class Call:
    """One request for a resource, taken apart."""

    http: web.BaseRequest
    resource: Resource
    target: Target
    options: Options
    accepted: Accepted
    audit: AuditEvent
    who: Identity


class ResourceApi:
    """Answers requests for resources."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        logs: PodLogs,
        pods: PodStreams,
        webhooks: WebhookAdmission,
        identities: Identities,
        clock: Clock,
        chance: random.Random,
        bookmark_seconds: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._logs = logs
        self._webhooks = webhooks
        self._pods = pods
        self._identities = identities
        self._clock = clock
        self._chance = chance
        self._bookmark_seconds = bookmark_seconds
        self._streams: set[WatchStream] = set()

    def stop_watches(self) -> None:
        """End every watch and every tunnel to a kubelet, so that their requests finish."""
        for stream in self._streams:
            stream.stopped = True
        self._writer.store.wake_watchers()
        self._pods.stop()

    async def answer(
        self, http: web.BaseRequest, target: Target, audit: AuditEvent, who: Identity
    ) -> web.StreamResponse:
        """Answer a request for a resource. Raises ApiError for what is refused."""
        resource = self._writer.registry.find(target.gv, target.plural)
        if resource is None:
            raise status.no_such_path()
        options = Options(dict(http.rel_url.query))
        audit.target = target
        audit.verb = verb_of(http.method, target, options)
        _authorize(who, audit.verb, target)
        call = Call(http, resource, target, options, request.parse_accept(http.headers.get("Accept", "")), audit, who)
        if target.subresource and target.subresource != "status":
            return await self._subresource(call)
        if target.subresource and not resource.has_status:
            raise status.no_such_path()
        if audit.verb not in resource.verbs:
            raise status.method_not_allowed()
        if resource.namespaced and not target.namespace and (target.name or audit.verb == "create"):
            raise status.bad_request("an empty namespace may not be set when a resource name is provided")
        verbs: dict[str, Callable[[Call], Awaitable[web.StreamResponse]]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }
        return await verbs[audit.verb](call)

    def _write(self, call: Call) -> Write:
        agent = call.http.headers.get("User-Agent", "unknown").partition("/")[0]
        media = request.media_type(_content_type(call))
        if call.audit.verb == "patch":
            request.require_patch_type(media, custom=bool(call.resource.custom))
        require_write_options(call.options, call.audit.verb, media)
        manager = call.options.text("fieldManager") or agent
        return Write(call.resource, call.target, call.options, manager[:MAX_MANAGER], self._clock.now())

    async def _admitted(self, call: Call, verb: Callable[[Write, B], Outcome], body: B) -> web.Response:
        """Run a writing verb, with whatever admission webhooks have to say about it."""
        write = self._write(call)

        def run(gate: Gate | None, given: B) -> Outcome:
            return verb(replace(write, gate=gate), given)

        outcome, warnings = await self._webhooks.run(call.who.user_info, run, body)
        return self._written(call, replace(outcome, warnings=(*outcome.warnings, *warnings)))

    def _written(self, call: Call, outcome: Outcome) -> web.Response:
        meta = outcome.obj.get("metadata") or {}
        call.audit.result_version = meta.get("resourceVersion", "")
        call.audit.name = meta.get("name", "")
        obj = outcome.obj
        if call.accepted.table and obj.get("kind") == call.resource.kind:
            obj = self._reader.table(call.resource, [obj], call.options)
        return json_answer(obj, outcome.code, warnings=outcome.warnings)

    async def _get(self, call: Call) -> web.StreamResponse:
        body = self._reader.get(call.resource, call.target, call.options)
        return json_answer(self._reader.render(call.resource, body, call.accepted, call.options))

    async def _list(self, call: Call) -> web.StreamResponse:
        require_list_options(call.options, watch=False)
        page = self._reader.page(call.resource, call.target, call.options)
        return json_answer(self._reader.render_page(call.resource, page, call.accepted, call.options))

    async def _watch(self, call: Call) -> web.StreamResponse:
        target, options = call.target, call.options
        require_list_options(options, watch=True)
        if target.name:
            selector = f"metadata.name={target.name}"
            given = options.text("fieldSelector")
            options = Options({**options.query, "fieldSelector": f"{given},{selector}" if given else selector})
        watch = WatchRequest(call.resource, target, options, call.accepted)
        stream = WatchStream(watch, self._reader, self._clock, self._chance, self._bookmark_seconds)
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        response.enable_chunked_encoding()
        await response.prepare(call.http)
        self._streams.add(stream)
        try:
            async for chunk in stream.lines():
                if chunk:
                    await response.write(chunk)
            await response.write_eof()
        except ConnectionResetError:
            pass  # the watcher has gone: that is how watches end
        finally:
            self._streams.discard(stream)
        return response

    async def _create(self, call: Call) -> web.StreamResponse:
        body = await self._object(call)
        if call.resource.group in reviews.GROUPS:
            return json_answer(reviews.answered(request.expect_object(body, call.resource), call.who), 201)
        return await self._admitted(call, self._writer.create, body)

    async def _update(self, call: Call) -> web.StreamResponse:
        return await self._admitted(call, self._writer.update, await self._object(call))

    async def _patch(self, call: Call) -> web.StreamResponse:
        raw = await self._raw_body(call)
        return await self._admitted(call, lambda write, body: self._writer.patch(write, _content_type(call), body), raw)

    async def _delete(self, call: Call) -> web.StreamResponse:
        options = request.delete_options(call.options, await self._raw_body(call), _content_type(call))
        return await self._admitted(call, partial(deletion.delete, self._writer), options)

    async def _delete_collection(self, call: Call) -> web.StreamResponse:
        options = request.delete_options(call.options, await self._raw_body(call), _content_type(call))
        page = self._reader.page(call.resource, call.target, call.options)
        items: list[Object] = []
        for body in page.bodies:
            obj = served_form(call.resource, orjson.loads(body))
            meta = obj["metadata"]
            target = Target(call.target.gv, call.target.plural, meta.get("namespace", ""), meta["name"])
            if self._writer.store.get(call.resource.storage_key, target.key) is not None:
                await self._admitted(replace(call, target=target), partial(deletion.delete, self._writer), options)
                items.append(obj)
        listed = {
            "kind": call.resource.list_kind_name,
            "apiVersion": call.resource.api_version,
            "metadata": {},
            "items": items,
        }
        return json_answer(listed)

    async def _subresource(self, call: Call) -> web.StreamResponse:
        name, method = call.target.subresource, call.http.method
        if name not in call.resource.subresources and not (name == "scale" and call.resource.scale):
            raise status.no_such_path()
        if name == "log" and method == "GET":
            return await self._logs.stream(call.http, Key(call.target.namespace, call.target.name), call.options)
        if name in STREAMS and method in ("GET", "POST"):
            return await self._pods.connect(call.http, Key(call.target.namespace, call.target.name), name)
        if name == "scale" and method == "GET":
            return json_answer(subresources.scale_of(call.resource, self._writer.live(self._write(call))))
        if name == "scale" and method in ("PUT", "PATCH"):
            raw = await self._raw_body(call)
            return self._written(
                call, subresources.write_scale(self._writer, self._write(call), _content_type(call), raw)
            )
        if name == "token" and method == "POST":
            account, body = self._writer.live(self._write(call)), await self._body(call)
            return json_answer(self._identities.answer_token_request(account, body), 201)
        if name in ("binding", "eviction") and method == "POST":
            body = await self._body(call)
            action = subresources.bind if name == "binding" else eviction.evict
            return self._written(call, action(self._writer, self._write(call), body))
        raise status.method_not_allowed()

    async def _raw_body(self, call: Call) -> bytes:
        body = bytearray()
        async for chunk in call.http.content.iter_any():
            body += chunk
            if len(body) > _MAX_BODY_BYTES:
                raise status.too_large_body(_MAX_BODY_BYTES)
        return bytes(body)

    async def _object(self, call: Call) -> Object:
        """Return the body of a request that writes an object, which says that it is one of the resource's."""
        raw = await self._raw_body(call)
        body = _mapping(request.decode(raw, _content_type(call)))
        return settle_written(body, raw, call.resource, status_only=call.target.subresource == "status")

    async def _body(self, call: Call) -> Object:
        return _mapping(request.decode(await self._raw_body(call), _content_type(call)))


def _mapping(body: object) -> Object:
    if not isinstance(body, dict):
        raise status.bad_request("the object provided is unrecognized (must be of type object)")
    return body


def _content_type(call: Call) -> str:
    return call.http.headers.get("Content-Type", "")


def verb_of(method: str, target: Target, options: Options) -> str:
    """Return the API verb of a request."""
    if method in ("GET", "HEAD"):
        if options.flag("watch"):
            return "watch"
        return "get" if target.name else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method)
    if verb is None:
        raise status.method_not_allowed()
    if (verb == "create") == bool(target.name) and not target.subresource:
        raise status.method_not_allowed()
    return verb


def _authorize(who: Identity, verb: str, target: Target) -> None:
    resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    action = Action(verb, target.gv.group, resource, target.namespace, target.name)
    if not authorization.may(who, action):
        raise authorization.refusal(who, action)
