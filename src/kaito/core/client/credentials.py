"""The TLS context and the Authorization header of a connection, made again when the files behind them change."""

import base64
import ssl
import tempfile
from pathlib import Path

from kaito.core.client.connection import ConnectionSettings
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger

log = get_logger()

_CHECK_SECONDS = 10.0
"""Files are looked at no more often than this; client-go re-reads tokens each minute."""


class Credentials:
    """Who we are, for each request."""

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._checked = float("-inf")
        self._stamps: tuple[int, ...] = ()
        self._ssl: ssl.SSLContext | bool | None = None
        self._header = ""

    async def headers(self) -> dict[str, str]:
        """Return the headers that identify us; empty with a client certificate alone."""
        await self._refresh()
        headers = {"Authorization": self._header} if self._header else {}
        if self._settings.impersonate:
            headers["Impersonate-User"] = self._settings.impersonate
        return headers

    def tls(self) -> ssl.SSLContext | bool:
        """Return aiohttp's `ssl` argument. Valid after `headers`."""
        assert self._ssl is not None
        return self._ssl

    async def renew(self) -> bool:
        """Read everything again after a 401; says whether the header changed, so that a second try makes sense."""
        before = self._header
        self._checked, self._stamps = float("-inf"), ()
        await self._refresh()
        return self._header != before

    async def _refresh(self) -> None:
        """Read what changed. A pair that is being replaced may not fit for a moment: the old one stays then."""
        moment = self._clock.monotonic()
        if moment - self._checked < _CHECK_SECONDS:
            return
        stamps = self._file_stamps()
        if self._ssl is None or stamps != self._stamps:
            try:
                self._ssl, self._header = tls_context(self._settings), await self._authorization()
            except (OSError, ValueError) as error:
                if self._ssl is None:
                    raise KaitoError(
                        "CredentialsUnreadable",
                        f"credentials for {self._settings.server}: {error}",
                        remedy="Check the certificate and token files that the kubeconfig names.",
                    ) from error
                log.warning("kept the old credentials, the new ones are unreadable", error=str(error))
        self._checked, self._stamps = moment, stamps

    def _file_stamps(self) -> tuple[int, ...]:
        settings = self._settings
        files = (
            settings.token_file,
            settings.ca_file,
            settings.client_certificate_file,
            settings.client_key_file,
        )
        return tuple(file.stat().st_mtime_ns if file is not None and file.exists() else 0 for file in files)

    async def _authorization(self) -> str:
        settings = self._settings
        if settings.authorization is not None:
            return await settings.authorization()
        if settings.token:
            return f"Bearer {settings.token}"
        if settings.token_file is not None:
            return f"Bearer {settings.token_file.read_text().strip()}"
        if settings.username:
            return _basic(settings.username, settings.password)
        return ""


def tls_context(settings: ConnectionSettings) -> ssl.SSLContext | bool:
    """Return the TLS context of these settings; False for plain HTTP."""
    if not settings.server.startswith("https://"):
        return False
    context = ssl.create_default_context(
        cafile=str(settings.ca_file) if settings.ca_file and not settings.ca_data else None,
        cadata=_certificates(settings.ca_data),
    )
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_certificate_file and settings.client_key_file:
        context.load_cert_chain(settings.client_certificate_file, settings.client_key_file)
    elif settings.client_certificate_data and settings.client_key_data:
        _load_chain(context, settings.client_certificate_data, settings.client_key_data)
    return context


def _certificates(data: bytes | None) -> str | None:
    return data.decode("ascii") if data else None


def _load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a pair held in memory; Python's ssl reads files only, so it lies in a private directory for that moment."""
    with tempfile.TemporaryDirectory() as directory:
        pair = Path(directory) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(certificate + b"\n" + key)
        context.load_cert_chain(pair)


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
