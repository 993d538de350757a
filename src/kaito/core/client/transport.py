"""HTTP to one API server: two connection pools, JSON bytes both ways, errors as exceptions, patience where asked for.

Requests and watches have separate pools, because watches would eat a shared one. Retries follow client-go: 429 and 5xx
only when the answer carries Retry-After; a GET also after a lost connection; a write never, since it may have happened.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import orjson
from prometheus_client import CollectorRegistry, Counter
from yarl import URL

from kaito.core.client.connection import ConnectionSettings
from kaito.core.client.credentials import Credentials
from kaito.core.clock import Clock
from kaito.core.errors import ApiError, ConnectionLostError, Status, api_error
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
_REMEMBERED_WARNINGS: Final = 256
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')

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
    ) -> None:
        bound_read_buffers()
        self._base = settings.server.rstrip("/")
        self._host = URL(self._base).host or ""
        self._settings = settings
        self._clock = clock
        self._credentials = Credentials(settings, clock)
        self._warned: OrderedDict[str, None] = OrderedDict()
        self._requests = Counter(
            "rest_client_requests",
            "Number of HTTP requests, partitioned by status code, method, and host.",
            ("code", "method", "host"),
            registry=registry,
        )
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
            try:
                answer = await self._send(self._session, method, path, params, body, headers)
                async with answer:
                    content = await answer.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if method == "GET" and attempt < MAX_TRIES and _broken(error):
                    await self._clock.sleep(LOST_CONNECTION_PAUSE)
                    continue
                raise self._lost(method, path, error) from error
            if answer.status < 400:
                return content
            pause = _retry_after(answer)
            if answer.status == 401 and not renewed and await self._credentials.renew():
                renewed = True
                continue
            if pause is None or attempt == MAX_TRIES or not (answer.status == 429 or answer.status >= 500):
                raise _refusal(answer, content, pause)
            await self._clock.sleep(pause)
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def stream(
        self, path: str, params: Parameters, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Open a watch and yield its chunks. Raises ApiError or ConnectionLostError, on opening and while reading."""
        try:
            answer = await self._send(self._watches, "GET", path, params, None, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost("WATCH", path, error) from error
        try:
            if answer.status >= 400:
                if answer.status == 401:
                    await self._credentials.renew()
                raise _refusal(answer, await answer.read(), _retry_after(answer))
            yield self._chunks(answer, path)
        finally:
            answer.close()

    async def _chunks(self, answer: aiohttp.ClientResponse, path: str) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost("WATCH", path, error) from error

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        params: Parameters | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> aiohttp.ClientResponse:
        identity = await self._credentials.headers()
        url = URL(self._base + path, encoded=True)
        sent = {**identity, **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            answer = await session.request(
                method,
                url.update_query(params) if params else url,
                data=body,
                headers=sent,
                ssl=self._credentials.tls(),
                server_hostname=self._settings.tls_server_name or None,
                proxy=self._settings.proxy_url or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._requests.labels("<error>", method, self._host).inc()
            raise
        self._requests.labels(str(answer.status), method, self._host).inc()
        self._log_warnings(answer)
        return answer

    def _log_warnings(self, answer: aiohttp.ClientResponse) -> None:
        """Log each different `Warning` header of the server once."""
        for header in answer.headers.getall("Warning", ()):
            for text in _WARNING.findall(header):
                if text not in self._warned:
                    log.warning("API server warning", warning=text.replace('\\"', '"'))
                    self._warned[text] = None
                    if len(self._warned) > _REMEMBERED_WARNINGS:
                        self._warned.popitem(last=False)

    def _lost(self, method: str, path: str, error: Exception) -> ConnectionLostError:
        said = str(error) or type(error).__name__
        lost = ConnectionLostError(f"{method} {self._base}{path}: {said}")
        lost.remedy = "Check that the API server runs and is reachable."
        return lost


def _session(
    connector: aiohttp.BaseConnector, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        timeout=timeout,
        read_bufsize=_READ_BUFFER_BYTES,
        auto_decompress=True,
        trust_env=False,
    )


def _broken(error: Exception) -> bool:
    """Say whether an established connection broke, in contrast to one that could not be made."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, _BREAKS)


def _retry_after(answer: aiohttp.ClientResponse) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _refusal(answer: aiohttp.ClientResponse, content: bytes, retry_after: float | None) -> ApiError:
    """Return the exception for an answer, from its `metav1.Status` if it is one."""
    try:
        status = orjson.loads(content)
    except orjson.JSONDecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return api_error(read_status(status, answer.status), retry_after=retry_after)
    text = content[:512].decode(errors="replace").strip()
    message = f"{answer.method} {answer.url.path}: {text or answer.reason}"
    return api_error(Status(answer.status, _REASONS.get(answer.status, "Unknown"), message), retry_after=retry_after)


def read_status(status: Mapping[str, object], code: int = 500) -> Status:
    """Read a `metav1.Status` object; `code` stands in where it has none."""
    details = status.get("details")
    number = status.get("code")
    return Status(
        code=number if isinstance(number, int) and number else code,
        reason=str(status.get("reason") or _REASONS.get(code, "Unknown")),
        message=str(status.get("message") or ""),
        details=details if isinstance(details, dict) else {},
    )


_REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
