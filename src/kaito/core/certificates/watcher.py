"""Certificates that somebody else keeps in files: cert-manager's Secret as a volume, or an administrator."""

import ssl
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from kaito.core.certificates.loading import load_pair
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger

log = get_logger()

CERTIFICATE_FILE: Final = "tls.crt"
KEY_FILE: Final = "tls.key"
CHECK_SECONDS: Final = 5.0
"""controller-runtime looks each 10 s, beside the kernel's notices of changes, which not every file system sends."""


class WatcherMetrics:
    """Counts of all watchers of a process, under controller-runtime's names."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.reads = Counter(
            "certwatcher_read_certificate", "Times that a certificate was read from its files.", registry=registry
        )
        self.errors = Counter("certwatcher_read_certificate_errors", "Times that reading it failed.", registry=registry)


class CertificateWatcher:
    """Serves the pair in `tls.crt` and `tls.key` of a folder, and a new one within CHECK_SECONDS of its being there.

    Written in place, renamed or behind another symbolic link: what counts is what the files say. `context` is for the
    server, and its options are yours; connections that are open keep the certificate that they began with. A pair that
    cannot be read, or is none, is counted and logged, and the one before it is kept.
    """

    def __init__(self, folder: Path, clock: Clock, metrics: WatcherMetrics | None = None) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._folder = folder
        self._clock = clock
        self._metrics = metrics or WatcherMetrics(None)
        self._pair: tuple[bytes, bytes] | None = None
        self._complaint = ""

    def read(self) -> None:
        """Serve what the files hold now. Raises KaitoError CertificateUnreadable."""
        self._metrics.reads.inc()
        try:
            pair = (self._folder / CERTIFICATE_FILE).read_bytes(), (self._folder / KEY_FILE).read_bytes()
            if pair != self._pair:
                load_pair(self.context, *pair)
        except OSError as error:  # ssl.SSLError is one
            self._metrics.errors.inc()
            raise KaitoError(
                "CertificateUnreadable",
                f"the certificate in {self._folder} cannot be served: {error}",
                remedy=f"Put a certificate into {CERTIFICATE_FILE} and its key into {KEY_FILE}, both PEM.",
            ) from error
        if pair != self._pair:
            self._pair = pair
            log.info("certificate is served", folder=str(self._folder))
        self._complaint = ""

    async def run(self) -> None:
        """Look at the files until cancelled. Raises KaitoError CertificateUnreadable if nothing can be served yet."""
        if self._pair is None:
            self.read()
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            try:
                self.read()
            except KaitoError as error:
                if str(error) != self._complaint:
                    self._complaint = str(error)
                    log.error("the certificate before this one is served on", reason=error.reason, error=error.message)
