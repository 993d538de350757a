"""The front door: authentication, discovery and health paths, the audit log, and the Status for whatever goes wrong."""

import platform
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from kaito.apiserver import authorization, discovery, openapi_protobuf, status
from kaito.apiserver.answers import json_answer, refusal, text_answer
from kaito.apiserver.api import ResourceApi
from kaito.apiserver.audit import AuditEvent, AuditLog
from kaito.apiserver.authorization import Action
from kaito.apiserver.identity import Identities
from kaito.apiserver.openapi import OpenApi
from kaito.apiserver.registry import Registry
from kaito.apiserver.request import parse_path
from kaito.apiserver.resources import GroupVersion
from kaito.core.clock import Clock
from kaito.core.errors import ApiError
from kaito.core.logs import get_logger
from kaito.core.objects import Object

_log = get_logger()

_HEALTH = ("/healthz", "/livez", "/readyz", "/ping")

VERSION: Object = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0+kaito",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": f"python{platform.python_version()}",
    "compiler": platform.python_implementation(),
    "platform": f"linux/{platform.machine()}",
}
"""The Kubernetes release whose API this server speaks; `+kaito` says that it is another server."""


@dataclass(frozen=True)
class FrontDoor:
    """Handles every HTTP request. `identities` knows the callers; `address` is this server's host and port."""

    api: ResourceApi
    registry: Registry
    openapi: OpenApi
    audit: AuditLog
    clock: Clock
    identities: Identities
    address: Callable[[], str]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        event = AuditEvent(
            received=self.clock.now(),
            uri=str(request.rel_url),
            verb=request.method.lower(),
            user_agent=request.headers.get("User-Agent", ""),
            source=request.remote or "",
        )
        try:
            response = await self._answer(request, event)
        except ApiError as error:
            response = refusal(error)
            event.refused = error.status
        except ConnectionResetError:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: a defect answers 500 and is logged
            _log.exception("request failed", method=request.method, path=request.path)
            response = refusal(status.internal(f"{type(error).__name__}: {error}"))
        if not response.prepared:
            response.headers["Audit-Id"] = event.audit_id
        self.audit.write(event, response.status, self.clock.now())
        return response

    async def _answer(self, request: web.BaseRequest, event: AuditEvent) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        if path in _HEALTH or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            return text_answer(_healthy(path) if "verbose" in request.query else "ok")
        if path == "/version":
            return json_answer(VERSION)
        who = self.identities.of(request.headers.get("Authorization", ""))
        event.user, event.groups = who.username, who.groups
        target = parse_path(path)
        if target is not None:
            return await self.api.answer(request, target, event, who)
        action = Action(event.verb, path=path)
        if not authorization.may(who, action):
            raise authorization.refusal(who, action)
        if path == "/openapi/v2" or path.startswith("/openapi/v3"):
            return self._openapi(path, request.headers.get("Accept", ""))
        return self._discover(path, request.headers.get("Accept", ""))

    def _openapi(self, path: str, accept: str) -> web.Response:
        if path == "/openapi/v2":
            if openapi_protobuf.ACCEPTED in accept or openapi_protobuf.MEDIA_TYPE in accept:
                return web.Response(body=self.openapi.v2_protobuf(), content_type=openapi_protobuf.MEDIA_TYPE)
            if accept and "json" not in accept and "*/*" not in accept:
                raise status.not_acceptable(("application/json", openapi_protobuf.MEDIA_TYPE))
            return json_answer(self.openapi.v2())
        if path == "/openapi/v3":
            return json_answer(self.openapi.index())
        document = self.openapi.document(path.removeprefix("/openapi/v3/"))
        if document is None:
            raise status.no_such_path()
        return json_answer(document)

    def _discover(self, path: str, accept: str) -> web.Response:
        if path in ("/api", "/apis"):
            for version in ("v2", "v2beta1"):
                form = discovery.AGGREGATED.format(version=version)
                if form in accept.replace(" ", ""):
                    found = discovery.aggregated(self.registry, version, core=path == "/api")
                    return json_answer(found, content_type=form)
            legacy = discovery.core_versions(self.address()) if path == "/api" else discovery.group_list(self.registry)
            return json_answer(legacy)
        if path == "/":
            return json_answer(
                {"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}
            )
        parts = path.strip("/").split("/")
        answer: Object | None = None
        if parts[0] == "api" and len(parts) == 2:
            answer = discovery.resource_list(self.registry, GroupVersion("", parts[1]))
        elif parts[0] == "apis" and len(parts) == 2:
            answer = discovery.group(self.registry, parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            answer = discovery.resource_list(self.registry, GroupVersion(parts[1], parts[2]))
        if answer is None:
            raise status.no_such_path()
        return json_answer(answer)


def _healthy(path: str) -> str:
    """Return what a health path says when it is asked for more: the server checks nothing but that it answers."""
    return f"[+]ping ok\n{path.split('/')[1]} check passed\n"
