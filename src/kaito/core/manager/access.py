"""Who may see the metrics: the API server is asked who a bearer token is, and whether they may.

Callers need the right to `get` (or `put`) the path as a non-resource URL; this process needs to create tokenreviews and
subjectaccessreviews, as the ClusterRole `system:auth-delegator` allows.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from aiohttp import web

from kaito.core.client import Client
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.core.objects import Object
from kaito.core.recent import Recent

log = get_logger()

TOKEN_SECONDS: Final = 60.0
ALLOWED_SECONDS: Final = 300.0
DENIED_SECONDS: Final = 30.0
"""How long answers are remembered, from controller-runtime."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Answer(Generic[V]):
    value: V
    until: float


class AccessFilter:
    """Answers 401 to callers that the API server does not know, 403 to those that may not, 500 when it cannot say."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._users: Recent[str, _Answer[Object | None]] = Recent()
        self._rights: Recent[tuple[str, str, str], _Answer[bool]] = Recent()

    async def check(self, request: web.Request) -> None:
        """Return if the caller may. Raises web.HTTPException."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise web.HTTPUnauthorized(text="Authentication failed: a bearer token is needed")
        try:
            user = await self._user(token.strip())
            if user is None:
                raise web.HTTPUnauthorized(text="Authentication failed")
            if not await self._may(token.strip(), user, request.method.lower(), request.path):
                raise web.HTTPForbidden(text=f"Authorization denied for user {user.get('username', '')}")
        except KaitoError as error:
            log.error("access to metrics could not be decided", reason=error.reason, error=error.message)
            raise web.HTTPInternalServerError(text="Authorization failed: the API server did not say") from error

    async def _user(self, token: str) -> Object | None:
        """Return who a token is; None for nobody."""

        async def ask() -> tuple[Object | None, float]:
            review = _review("authentication.k8s.io/v1", "TokenReview", {"token": token})
            status = (await self._client.create(review)).get("status") or {}
            return (status.get("user") or {} if status.get("authenticated") else None), TOKEN_SECONDS

        return await self._remembered(self._users, _digest(token), ask)

    async def _may(self, token: str, user: Object, verb: str, path: str) -> bool:
        async def ask() -> tuple[bool, float]:
            names = {"user": user.get("username", "")}
            known = {name: user[name] for name in ("groups", "uid", "extra") if user.get(name)}
            spec = {**names, **known, "nonResourceAttributes": {"path": path, "verb": verb}}
            review = _review("authorization.k8s.io/v1", "SubjectAccessReview", spec)
            allowed = bool(((await self._client.create(review)).get("status") or {}).get("allowed"))
            return allowed, ALLOWED_SECONDS if allowed else DENIED_SECONDS

        return await self._remembered(self._rights, (_digest(token), verb, path), ask)

    async def _remembered(
        self, answers: Recent[Any, _Answer[V]], key: Any, ask: Callable[[], Awaitable[tuple[V, float]]]
    ) -> V:
        found = answers.get(key)
        if found is None or self._clock.monotonic() >= found.until:
            value, seconds = await ask()
            found = answers.put(key, _Answer(value, self._clock.monotonic() + seconds))
        return found.value


def _review(api_version: str, kind: str, spec: Object) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {}, "spec": spec}


def _digest(token: str) -> str:
    """Return what a token is remembered by."""
    return hashlib.sha256(token.encode()).hexdigest()
