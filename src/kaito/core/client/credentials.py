"""The TLS context and the Authorization header of a connection, made again when what they are made of changes."""

import asyncio
import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kaito.core.client.connection import ConnectionSettings, Identity
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger

log = get_logger()

CHECK_SECONDS: Final = 10.0
"""Files are looked at, and a plugin is run again after a 401, no more often; client-go re-reads tokens each minute."""


@dataclass(frozen=True)
class Shown:
    """What one request shows of us: the headers, and aiohttp's `ssl` argument."""

    headers: dict[str, str]
    tls: ssl.SSLContext | bool


class Credentials:
    """Who we are, for each request."""

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = asyncio.Lock()
        self._checked = float("-inf")
        self._asked = float("-inf")
        self._stamps: tuple[int, ...] = ()
        self._identity = Identity()
        self._read: tuple[Identity, tuple[bytes | None, ...]] | None = None
        self._shown: Shown | None = None

    def current(self) -> Shown | None:
        """Return what `show` would, if nothing has to be looked at for it."""
        return self._shown if self._clock.monotonic() - self._checked < CHECK_SECONDS else None

    async def show(self) -> Shown:
        """Return who we are. Raises KaitoError CredentialsUnreadable, AuthProviderFailed."""
        if (shown := self.current()) is not None:
            return shown
        async with self._lock:
            if (shown := self.current()) is not None:
                return shown
            stamps = self._file_stamps()
            if self._shown is None or stamps != self._stamps:
                await self._renew(ask=self._shown is None)
            self._checked, self._stamps = self._clock.monotonic(), stamps
            assert self._shown is not None
            return self._shown

    async def renew(self, refused: Shown) -> bool:
        """Read everything again after a 401; say whether we show something else now, so that a second try makes sense.

        Many requests are refused at once: the first of them reads. A plugin is not run in every one of a row of 401s.
        """
        async with self._lock:
            if self._shown is not refused:
                return True
            self._stamps = self._file_stamps()
            await self._renew(ask=self._clock.monotonic() - self._asked >= CHECK_SECONDS)
            self._checked = self._clock.monotonic()
            return self._shown is not refused

    @property
    def source(self) -> str:
        """Where the credentials come from, for a person to look."""
        settings = self._settings
        if settings.authorization is not None:
            return "the plugin that the kubeconfig names"
        file = settings.token_file or settings.client_certificate_file
        return str(file) if file else "the kubeconfig"

    async def _renew(self, *, ask: bool) -> None:
        """Take up what changed. A pair that is being replaced may not fit for a moment: the old one stays then."""
        settings = self._settings
        try:
            if ask and settings.authorization is not None:
                self._asked = self._clock.monotonic()
                self._identity = await settings.authorization()
            read = (self._identity, tuple(file.read_bytes() if file else None for file in self._files()))
            if read == self._read:
                return
            tls = self._shown.tls if self._shown is not None and self._same_tls(read) else None
            self._shown = Shown(
                self._headers(self._identity, read[1][0]), tls_context(settings, self._identity) if tls is None else tls
            )
            self._read = read
        except (OSError, ValueError) as error:
            if self._shown is None:
                raise KaitoError(
                    "CredentialsUnreadable",
                    f"credentials for {settings.server}: {error}",
                    remedy="Check the certificate and token files that the kubeconfig names.",
                ) from error
            log.warning("kept the old credentials, the new ones are unreadable", error=str(error))

    def _files(self) -> tuple[Path | None, ...]:
        settings = self._settings
        return settings.token_file, settings.ca_file, settings.client_certificate_file, settings.client_key_file

    def _file_stamps(self) -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns if file is not None and file.exists() else 0 for file in self._files())

    def _same_tls(self, read: tuple[Identity, tuple[bytes | None, ...]]) -> bool:
        """Say whether only the header is new: connections stay open then."""
        assert self._read is not None
        (old, old_files), (new, new_files) = self._read, read
        return (old.certificate, old.key, *old_files[1:]) == (new.certificate, new.key, *new_files[1:])

    def _headers(self, identity: Identity, token: bytes | None) -> dict[str, str]:
        settings = self._settings
        if settings.authorization is not None:
            header = identity.header
        elif settings.token:
            header = f"Bearer {settings.token}"
        elif token is not None:
            header = f"Bearer {token.decode('ascii').strip()}"
        else:
            header = _basic(settings.username, settings.password) if settings.username else ""
        headers = {"Authorization": header} if header else {}
        if settings.impersonate:
            headers["Impersonate-User"] = settings.impersonate
        return headers


def tls_context(settings: ConnectionSettings, identity: Identity | None = None) -> ssl.SSLContext | bool:
    """Return the TLS context of these settings, with the certificate of `identity` if it has one; False for HTTP."""
    if not settings.server.startswith("https://"):
        return False
    context = ssl.create_default_context(
        cafile=str(settings.ca_file) if settings.ca_file and not settings.ca_data else None,
        cadata=_certificates(settings.ca_data),
    )
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity is not None and identity.certificate and identity.key:
        _load_chain(context, identity.certificate, identity.key)
    elif settings.client_certificate_file and settings.client_key_file:
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
