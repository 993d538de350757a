"""Gets leave from a registry: nothing, a password, or a token that its token server gives for one."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.limits import ends_within
from kaito.runtime.adapters.sources.oci.credentials import Credential
from kaito.runtime.adapters.sources.web import Web

_CHALLENGE = re.compile(r"(?i)\b(basic|bearer)\b\s*((?:[\w-]+\s*=\s*(?:\"[^\"]*\"|[^\s,\"]+)\s*,?\s*)*)")
_PARAMETER = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|([^\s,\"]+))")
_LARGEST_ANSWER = 1 << 20


class Authorization:
    """Asks one registry for one repository. The credentials are tried in order; none: as anybody."""

    def __init__(self, web: Web, endpoint: URL, credentials: Sequence[Credential], scope: str) -> None:
        self._web = web
        self._endpoint = endpoint
        self._candidates: list[Credential | None] = list(credentials) or [None]
        self._scope = scope
        self._position = 0
        self._challenge: tuple[str, dict[str, str]] | None = None
        self._header = ""
        self._worked = False

    @asynccontextmanager
    async def request(
        self, url: URL, headers: Mapping[str, str], *, method: str = "GET", body: Callable[[], Any] = lambda: None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer; it is a refusal (401, 403) only where no credentials help.

        `body` is made anew for each try. Other servers, where the registry keeps its blobs, get no leave, and their
        answers are yielded as they are. Raises AdapterError as `Web.request` does.
        """
        while True:
            leave = {"Authorization": self._header} if self._header and self._is_ours(url) else {}
            async with self._web.request(url, {**headers, **leave}, method=method, data=body()) as response:
                ours = self._is_ours(response.url)
                if not ours or response.status not in {401, 403} or not await self._prepare_another(response):
                    self._worked = self._worked or (ours and response.status not in {401, 403})
                    yield response
                    return

    def _is_ours(self, url: URL) -> bool:
        return url.origin() == self._endpoint.origin()

    async def _prepare_another(self, answer: aiohttp.ClientResponse) -> bool:
        """Get leave after a refusal; False where nothing is left to try. What worked before has only expired."""
        self._challenge = _challenge(answer.headers.getall("WWW-Authenticate", [])) or self._challenge
        if self._challenge is None:
            return False
        if self._header and not self._worked:
            self._position += 1
        self._header, self._worked = "", False
        while self._position < len(self._candidates):
            self._header = await self._leave(*self._challenge, self._candidates[self._position])
            if self._header:
                return True
            self._position += 1
        return False

    async def _leave(self, scheme: str, values: dict[str, str], by: Credential | None) -> str:
        """Return the header for one candidate, empty where it gives no leave."""
        if by and by.registry_token:
            return f"Bearer {by.registry_token}"
        if scheme == "basic":
            return _basic(by) if by and by.username else ""
        realm = _realm(values.get("realm", ""), self._endpoint)
        query = {"service": values["service"]} if values.get("service") else {}
        query["scope"] = values.get("scope") or self._scope
        headers = {"Accept": "application/json"}
        if by and by.identity_token:
            form = {**query, "grant_type": "refresh_token", "client_id": "kaito", "refresh_token": by.identity_token}
            request = self._web.request(realm, headers, method="POST", data=form)
        else:
            if by and by.username:
                headers["Authorization"] = _basic(by)
            request = self._web.request(realm.update_query(query), headers)
        async with ends_within(self._web.patience.document, f"A token of {realm.host}"), request as response:
            if response.status in {400, 401, 403}:
                return ""
            if response.status != 200:
                what = f"The token server {realm.host} answered {response.status}."
                raise AdapterError("SourceUnreachable", what, passes=True)
            return _bearer(await _body(response), realm)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body, or as much as is too much: a single `read` returns what has come so far."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            break
    return bytes(body[:_LARGEST_ANSWER])


def _basic(credential: Credential) -> str:
    return "Basic " + b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _bearer(body: bytes, realm: URL) -> str:
    try:
        answer = json.loads(body)
        token = answer.get("token") or answer["access_token"]
    except (ValueError, KeyError, AttributeError):
        what = f"The token server {realm.host} gave no token."
        raise AdapterError("SourceUnreachable", what, passes=True) from None
    return f"Bearer {token}"


def _challenge(headers: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """Return what a registry asks for: the scheme and its values. A token is preferred where it takes both."""
    found = {}
    for header in headers:
        for scheme, values in _CHALLENGE.findall(header):
            parsed = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(values)}
            found[scheme.lower()] = parsed
    return next(((scheme, found[scheme]) for scheme in ("bearer", "basic") if scheme in found), None)


def _realm(text: str, endpoint: URL) -> URL:
    """Return the token server. Passwords go there, so one in plain HTTP is for a plain registry alone."""
    try:
        realm = URL(text)
    except ValueError:
        realm = URL()
    if realm.scheme == "https" or (realm.scheme == "http" and endpoint.scheme == "http"):
        return realm
    raise AdapterError(
        "SourceNotAllowed", f"The registry {endpoint.host} names a token server that is no https:// address."
    )
