"""Gets leave from a registry: nothing, a password, or a token that its token server gives for one."""

import json
import re
from base64 import b64encode
from collections.abc import Sequence

import aiohttp
from yarl import URL

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.oci.credentials import Credential
from kaito.runtime.adapters.sources.web import Web

_CHALLENGE = re.compile(r"(?i)\b(basic|bearer)\b\s*((?:[\w-]+\s*=\s*(?:\"[^\"]*\"|[^\s,\"]+)\s*,?\s*)*)")
_PARAMETER = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|([^\s,\"]+))")
_LARGEST_ANSWER = 1 << 20


class Authorization:
    """What is sent to one registry for one repository. The credentials are tried in order; none: as anybody."""

    def __init__(self, web: Web, credentials: Sequence[Credential], scope: str) -> None:
        self._web = web
        self._candidates: list[Credential | None] = list(credentials) or [None]
        self._scope = scope
        self._position = 0
        self._challenge: tuple[str, dict[str, str]] | None = None
        self._sent = False
        self._worked = False
        self.headers: dict[str, str] = {}

    def worked(self) -> None:
        """Remember that the registry took what was sent: the next refusal only means that it has expired."""
        self._worked = True

    async def challenged(self, answer: aiohttp.ClientResponse, endpoint: URL) -> bool:
        """Prepare another request after a refusal; False where nothing is left to try. Raises AdapterError."""
        self._challenge = _challenge(answer.headers.getall("WWW-Authenticate", [])) or self._challenge
        if self._challenge is None:
            return False
        if self._sent and not self._worked:
            self._position += 1
        self._sent = self._worked = False
        while self._position < len(self._candidates):
            header = await self._header(*self._challenge, self._candidates[self._position], endpoint)
            if header:
                self.headers = {"Authorization": header}
                self._sent = True
                return True
            self._position += 1
        return False

    async def _header(self, scheme: str, values: dict[str, str], by: Credential | None, endpoint: URL) -> str:
        """Return the header for one candidate, empty where it gives no leave."""
        if by and by.registry_token:
            return f"Bearer {by.registry_token}"
        if scheme == "basic":
            return _basic(by) if by and by.username else ""
        realm = _realm(values.get("realm", ""), endpoint)
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
        async with request as response:
            if response.status in {400, 401, 403}:
                return ""
            if response.status != 200:
                what = f"The token server {realm.host} answered {response.status}."
                raise AdapterError("SourceUnreachable", what, passes=True)
            return _bearer(await response.content.read(_LARGEST_ANSWER), realm)


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
