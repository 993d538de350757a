"""HTTP to one API server: two connection pools, JSON bytes both ways, errors as exceptions, patience where asked for.

Requests and watches have separate pools, because watches would eat a shared one. Retries follow client-go: 429 and 5xx
only when the answer carries Retry-After; a GET also after a lost connection; a write never, since it may have happened.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final
from urllib.parse import urlencode

import aiohttp
from prometheus_client import CollectorRegistry
from yarl import URL

from kaito.core.client.answers import ServerWarnings, refusal, retry_after
from kaito.core.client.connection import ConnectionSettings
from kaito.core.client.credentials import Credentials, Shown
from kaito.core.client.metrics import RequestMetrics
from kaito.core.clock import Clock
from kaito.core.errors import ApiError, ConnectionLostError
from kaito.core.logs import get_logger
from kaito.core.tls import bound_read_buffers

log = get_logger()

MAX_TRIES: Final = 10
"""Tries of one request, from client-go's rest client."""
LOST_CONNECTION_PAUSE: Final = 1.0
"""Seconds before a GET is tried again after its connection broke, from client-go."""
REQUEST_READ_SECONDS: Final = 60.0
"""A server that sends nothing for this long while we wait for an answer counts as gone."""
WATCH_INACTIVITY_SECONDS: Final = 80.0
"""Servers send a bookmark about once a minute, so a watch that is silent for longer hangs on a dead connection."""
CONNECT_SECONDS: Final = 10.0
_READ_BUFFER_BYTES: Final = 64 * 1024
_JSON: Final = {"Content-Type": "application/json"}

_BREAKS: Final = (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)

Parameters = Mapping[str, str]


class Transport:
    """Sends requests. Must be made inside a running event loop and closed. `connector` makes each pool's connections.

    A subclass may stand between a client and its server: `request` and `stream` are all that goes out.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        clock: Clock,
        user_agent: str,
        registry: CollectorRegistry | None = None,
        connector: Callable[[], aiohttp.BaseConnector] = lambda: aiohttp.TCPConnector(limit=0),
        *,
        detailed_metrics: bool = False,
    ) -> None:
        bound_read_buffers()
        self._base = settings.server.rstrip("/")
        self._settings = settings
        self._clock = clock
        self._credentials = Credentials(settings, clock)
        self._warnings = ServerWarnings()
        self._metrics = RequestMetrics(URL(self._base).host or "", registry, detailed=detailed_metrics)
        headers = {"User-Agent": user_agent, "Accept": "application/json"}
        requests = aiohttp.ClientTimeout(None, None, REQUEST_READ_SECONDS, CONNECT_SECONDS)
        watches = aiohttp.ClientTimeout(None, None, WATCH_INACTIVITY_SECONDS, CONNECT_SECONDS)
        self._session = _session(connector(), headers, requests)
        self._watches = _session(connector(), headers, watches)

    async def close(self) -> None:
        """Close both pools, and with them every watch."""
        await self._session.close()
        await self._watches.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return the body of a successful answer. Raises ApiError for any other, ConnectionLostError for none."""
        renewed = False
        for attempt in range(1, MAX_TRIES + 1):
            shown = self._credentials.current() or await self._credentials.show()
            try:
                answer = await self._send(self._session, shown, method, path, params, body, headers)
                async with answer:
                    content = await answer.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if method == "GET" and attempt < MAX_TRIES and _broken(error):
                    self._metrics.repeated(method, 0)
                    await self._clock.sleep(LOST_CONNECTION_PAUSE)
                    continue
                raise self._lost(method, path, error) from error
            if answer.status < 400:
                return content
            if answer.status == 401 and not renewed and await self._credentials.renew(shown):
                renewed = True
                continue
            pause = retry_after(answer)
            if pause is None or attempt == MAX_TRIES or not (answer.status == 429 or answer.status >= 500):
                raise self._refused(answer, content)
            self._metrics.repeated(method, answer.status)
            log.debug("the API server asks for patience", method=method, path=path, seconds=pause, **_flow(answer))
            await self._clock.sleep(pause)
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def stream(
        self, path: str, params: Parameters, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Open a watch, or a list that is read as it arrives, and yield its chunks; nothing is tried again.

        Raises ApiError or ConnectionLostError, on opening and while reading.
        """
        verb = "WATCH" if "watch" in params else "LIST"
        shown = await self._credentials.show()
        try:
            answer = await self._send(self._watches, shown, "GET", path, params, None, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(verb, path, error) from error
        try:
            if answer.status >= 400:
                if answer.status == 401:
                    await self._credentials.renew(shown)
                raise self._refused(answer, await self._rest(answer, verb, path))
            yield self._chunks(answer, verb, path)
        finally:
            answer.close()

    async def _chunks(self, answer: aiohttp.ClientResponse, verb: str, path: str) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(verb, path, error) from error

    async def _rest(self, answer: aiohttp.ClientResponse, verb: str, path: str) -> bytes:
        try:
            return await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(verb, path, error) from error

    async def _send(
        self,
        session: aiohttp.ClientSession,
        shown: Shown,
        method: str,
        path: str,
        params: Parameters | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> aiohttp.ClientResponse:
        target = f"{self._base}{path}?{_query(tuple(params.items()))}" if params else self._base + path
        own = headers if body is None else {**_JSON, **headers} if headers else _JSON
        began = self._clock.monotonic()
        try:
            answer = await session.request(
                method,
                URL(target, encoded=True),
                data=None if body is None else aiohttp.BytesPayload(body),
                headers={**shown.headers, **own} if own else shown.headers,
                ssl=shown.tls,
                server_hostname=self._settings.tls_server_name or None,
                proxy=self._settings.proxy_url or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._metrics.failed(method)
            raise
        self._metrics.answered(method, answer.status)
        if self._metrics.details is not None:
            seconds = self._clock.monotonic() - began
            self._metrics.details.answered(method, seconds, len(body or b""), answer.content_length or 0)
        self._warnings.log(answer)
        return answer

    def _refused(self, answer: aiohttp.ClientResponse, content: bytes) -> ApiError:
        error = refusal(answer, content)
        if answer.status == 401:
            error.remedy = f"The server does not accept who we say we are; renew {self._credentials.source}."
        return error

    def _lost(self, method: str, path: str, error: Exception) -> ConnectionLostError:
        said = str(error) or type(error).__name__
        lost = ConnectionLostError(f"{method} {self._base}{path}: {said}")
        lost.remedy = "Check that the API server runs and is reachable."
        return lost


def _session(
    connector: aiohttp.BaseConnector, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout
) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_READ_BUFFER_BYTES,
        auto_decompress=True,
        trust_env=False,
    )
    # aiohttp sends what HTTP calls idempotent a second time when a kept connection breaks: GET, but PUT and DELETE too,
    # which may have happened. It has no public switch for that; a test holds this one.
    session._retry_connection = False  # noqa: SLF001
    return session


@lru_cache(maxsize=256)
def _query(params: tuple[tuple[str, str], ...]) -> str:
    """Return a query string; there are few different ones."""
    return urlencode(params)


def _broken(error: Exception) -> bool:
    """Say whether an established connection broke, in contrast to one that could not be made."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, _BREAKS)


def _flow(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """Return which of the server's queues a request was in."""
    return {
        "flow_schema": answer.headers.get("X-Kubernetes-PF-FlowSchema-UID", ""),
        "priority_level": answer.headers.get("X-Kubernetes-PF-PriorityLevel-UID", ""),
    }
