"""The HTTPS call to a webhook: by URL, or through a Service's endpoints."""

import base64
import binascii
import errno
import ssl
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from kaito.apiserver.store import Store
from kaito.apiserver.webhooks.question import Answer, Question
from kaito.core.objects import Key, Object

_MAX_ANSWER_BYTES: Final = 16 << 20
_DIAL_ERRORS: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
}


class UnreachableError(Exception):
    """There is nothing that could be called."""


@dataclass(frozen=True)
class Place:
    """Where a webhook is called. `shown` is the URL in errors, `server_name` what its certificate must say."""

    url: str
    shown: str
    server_name: str


class Caller:
    """Asks webhooks, with one session that is made when it is needed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, question: Question) -> Answer:
        """Return the webhook's answer; a failure to answer is one too."""
        client, seconds = question.webhook.body["clientConfig"], question.webhook.seconds
        try:
            place = place_of(client, self._store)
        except UnreachableError as error:
            return question.failed(f"failed to call webhook: {error}")
        query = f"?timeout={seconds}s"
        try:
            status, body, is_text = await self._post(place, query, question, uid := str(uuid.uuid4()), seconds)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            why = f'Post "{place.shown}{query}": {_words(error)}'
            return question.failed(f"failed to call webhook: {why}")
        if status != 200:
            text = body[:1024].decode(errors="replace").strip() if is_text else "unknown"
            known = {404: "the server could not find the requested resource"}.get(status)
            said = known or f'an error on the server ("{text}") has prevented the request from succeeding'
            return question.failed(f"failed to call webhook: {said}")
        return question.answered(uid, body)

    async def _post(
        self, place: Place, query: str, question: Question, uid: str, seconds: int
    ) -> tuple[int, bytes, bool]:
        """Return status code and body of the answer, and whether that is text, which an error may quote."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        bundle = question.webhook.body["clientConfig"].get("caBundle") or ""
        async with self._session.post(
            URL(place.url + query, encoded=True),
            data=question.body(uid),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            ssl=_context(bundle),
            server_hostname=place.server_name,
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
        ) as response:
            body = await response.content.read(_MAX_ANSWER_BYTES)
            return response.status, body, response.content_type.startswith("text/")


def place_of(client: Object, store: Store) -> Place:
    """Return where a clientConfig leads now. Raises UnreachableError where a Service has nothing behind it."""
    if url := client.get("url"):
        return Place(url, url, urlsplit(url).hostname or "")
    reference = client["service"]
    key = Key(reference["namespace"], reference["name"])
    path, port = "/" + (reference.get("path") or "").lstrip("/"), reference.get("port") or 443
    address = _endpoint(store, key, port)
    name = f"{key.name}.{key.namespace}.svc"
    return Place(f"https://{address}{path}", f"https://{name}:{port}{path}", name)


def _endpoint(store: Store, key: Key, port: int) -> str:
    service = store.read("services", key)
    if service is None:
        raise UnreachableError(f'service "{key.name}" not found')
    found = next((item for item in service["spec"].get("ports") or () if item["port"] == port), None)
    if found is None:
        raise UnreachableError(f'no service port {port} found for service "{key.name}"')
    for endpoints in store.objects("discovery.k8s.io/endpointslices"):
        meta = endpoints["metadata"]
        if meta["namespace"] != key.namespace:
            continue
        if (meta.get("labels") or {}).get("kubernetes.io/service-name") != key.name:
            continue
        target = next(
            (item for item in endpoints.get("ports") or () if item.get("name", "") == found.get("name", "")), None
        )
        for endpoint in endpoints.get("endpoints") or ():
            if target is not None and (endpoint.get("conditions") or {}).get("ready", True):
                return f"{endpoint['addresses'][0]}:{target['port']}"
    raise UnreachableError(f'no endpoints available for service "{key.name}"')


@lru_cache(maxsize=64)
def _context(bundle: str) -> ssl.SSLContext:
    """Return a context that trusts a caBundle, or the system's authorities without one. Raises ValueError."""
    if not bundle:
        return ssl.create_default_context()
    try:
        text = base64.b64decode(bundle).decode()
        return ssl.create_default_context(cadata=text)
    except (binascii.Error, ssl.SSLError) as error:
        raise ValueError(f"unable to load root certificates: {error}") from error


def _words(error: Exception) -> str:
    """Word a failure as Go does."""
    if isinstance(error, TimeoutError):
        return "context deadline exceeded"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        known = {
            "certificate has expired": "certificate has expired or is not yet valid",
            "self-signed certificate in certificate chain": "certificate signed by unknown authority",
            "unable to get local issuer certificate": "certificate signed by unknown authority",
        }.get(reason, reason)
        return f"tls: failed to verify certificate: x509: {known}"
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno in _DIAL_ERRORS:
        return f"dial tcp {error.host}:{error.port}: connect: {_DIAL_ERRORS[error.os_error.errno]}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    return str(error) or type(error).__name__
