"""HTTP as strangers' servers need it: checked at each hop, followed a few hops, and never with a secret in an error."""

import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import aiohttp
from yarl import URL

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.addresses import CheckedResolver, check_address
from kaito.runtime.adapters.sources.limits import Patience, TransientError

MOST_REDIRECTS = 5

_REDIRECTS = {301, 302, 303, 307, 308}
_HEADERS = {"User-Agent": "kaito", "Accept-Encoding": "identity"}


def shown(url: URL) -> str:
    """Return a URL for messages: what a query or user information holds may be a secret."""
    return f"{url.scheme}://{url.host_port_subcomponent or ''}{url.raw_path}"


@dataclass
class Web:
    """Makes requests for one fetch.

    Proxies of the environment are used (HTTPS_PROXY, NO_PROXY): who runs the server set them. A proxy resolves names
    itself, so there its own rules hold beside ours, which can judge written addresses only.
    """

    direct: aiohttp.ClientSession
    proxied: aiohttp.ClientSession
    private: bool
    patience: Patience

    @classmethod
    @asynccontextmanager
    async def open(cls, patience: Patience, *, private: bool) -> AsyncIterator["Web"]:
        """Yield one. `private`: loopback and private networks may be asked."""
        timeout = aiohttp.ClientTimeout(
            total=None, connect=2 * patience.connect, sock_connect=patience.connect, sock_read=patience.stall
        )
        connector = aiohttp.TCPConnector(resolver=CheckedResolver(private=private), use_dns_cache=False)
        options: dict[str, Any] = {"timeout": timeout, "auto_decompress": False, "headers": _HEADERS}
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), **options) as direct,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), **options) as proxied,
        ):
            yield cls(direct, proxied, private, patience)

    @asynccontextmanager
    async def request(
        self, url: URL, headers: Mapping[str, str], *, method: str = "GET", data: Any = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer, whatever its status, after redirects.

        Raises AdapterError for an address that is not allowed, and TransientError when the connection breaks, while the
        body is read too.
        """
        with _transient(url):
            for _ in range(MOST_REDIRECTS + 1):
                async with self._ask(method, url, headers, data) as response:
                    target = response.headers.get("Location")
                    if method != "GET" or response.status not in _REDIRECTS or not target:
                        yield response
                        return
                following = followed(url, target, private=self.private)
                if following.origin() != url.origin():
                    headers = {name: value for name, value in headers.items() if name != "Authorization"}
                url = following
            raise AdapterError("SourceNotAllowed", f"{shown(url)}: more than {MOST_REDIRECTS} redirects.")

    @asynccontextmanager
    async def _ask(
        self, method: str, url: URL, headers: Mapping[str, str], data: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        check_url(url, private=self.private)
        proxy = proxy_of(url)
        session = self.proxied if proxy else self.direct
        async with session.request(
            method, url, headers=headers, data=data, proxy=proxy, allow_redirects=False
        ) as response:
            yield response


def check_url(url: URL, *, private: bool) -> None:
    """Raise AdapterError for a URL that is not asked: its scheme, its user information, its written address."""
    if url.scheme not in {"http", "https"} or not url.host:
        raise AdapterError("SourceNotAllowed", f"{shown(url)}: only http:// and https:// are fetched.")
    if url.user is not None or url.password is not None:
        raise AdapterError("SourceNotAllowed", f"{shown(url)}: a URL must not hold a user name or a password.")
    try:
        address = ip_address(url.host.partition("%")[0])
    except ValueError:
        if url.host.replace(".", "").isdigit():
            said = f"{url.host} is an address in a form that is not asked. Write it as four numbers with dots."
            raise AdapterError("SourceNotAllowed", said) from None
        return  # a name: judged when it is resolved
    check_address(url.host, str(address), private=private)


def proxy_of(url: URL) -> str | None:
    """Return the proxy that the environment names for a URL."""
    host = url.host or ""
    if urllib.request.proxy_bypass(host if url.explicit_port is None else f"{host}:{url.explicit_port}"):
        return None
    return urllib.request.getproxies().get(url.scheme)


def followed(url: URL, location: str, *, private: bool) -> URL:
    """Return where a redirect leads. Raises AdapterError for what is not asked."""
    try:
        following = url.join(URL(location, encoded=True))
    except ValueError:
        raise AdapterError("SourceNotAllowed", f"{shown(url)} leads to what is no URL.") from None
    check_url(following, private=private)
    if url.scheme == "https" and following.scheme == "http":
        raise AdapterError("SourceNotAllowed", f"{shown(url)} leads from https to http.")
    return following


class _transient:  # noqa: N801 - a context manager that reads as a word
    """Turns broken connections into TransientError."""

    def __init__(self, url: URL) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        where = shown(self._url)
        match error:
            case aiohttp.ClientConnectorDNSError():
                message = f"The name {self._url.host} cannot be resolved."
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
                message = (
                    f"{self._url.host} shows a certificate that is not trusted (SSL_CERT_FILE names those that are)."
                )
            case aiohttp.ServerTimeoutError() | TimeoutError():
                message = f"{where} went silent."
            case aiohttp.ClientConnectorError():
                message = f"{self._url.host}:{self._url.port} cannot be reached: {error.strerror or 'refused'}."
            case aiohttp.InvalidURL():
                raise AdapterError("SourceNotAllowed", f"{where} is no URL that can be asked.") from None
            case aiohttp.ClientError() | ConnectionError():
                message = f"The connection to {where} broke ({type(error).__name__})."
            case _:
                return
        raise TransientError("SourceUnreachable", message) from None
