"""The kubelet endpoint: what the API server asks this node for (logs, streams), over TLS and with a bearer token."""

import contextlib
import datetime
import hmac
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry, generate_latest

from kaito.core.clock import Clock
from kaito.core.objects import Key
from kaito.local.node.containers import Containers
from kaito.local.node.layout import Layout, private_folder
from kaito.local.node.logs import parse_log_options, read_log
from kaito.local.node.pods import PodState
from kaito.local.node.programs import PodPrograms
from kaito.local.node.records import Record, read_record
from kaito.local.node.streaming import Streaming

CERTIFICATE_DAYS = 365
OPEN_PATHS = ("/healthz",)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_certificate(folder: Path, name: str, ip: str, now: datetime.datetime) -> tuple[Path, Path]:
    """Return paths of a self-made certificate and its key, made anew when missing or within a month of its end."""
    certificate, key_file = folder / "kubelet.crt", folder / "kubelet.key"
    with contextlib.suppress(OSError, ValueError):
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
        if key_file.exists() and known.not_valid_after_utc > now + datetime.timedelta(days=30):
            return certificate, key_file
    private_folder(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(ip))])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return certificate, key_file


@dataclass(frozen=True)
class KubeletCredentials:
    """Who may ask: the bearer of a token (the embedded API server), or of a certificate of a CA (a real one)."""

    token_file: Path | None = None
    client_ca_file: Path | None = None


class KubeletServer:
    """Serves logs and streams of this node's containers. Without credentials every request but /healthz is refused."""

    def __init__(
        self,
        name: str,
        ip: str,
        layout: Layout,
        containers: Containers,
        pods: dict[str, PodState],
        clock: Clock,
        registry: CollectorRegistry,
        credentials: KubeletCredentials,
    ) -> None:
        self._name = name
        self._ip = ip
        self._layout = layout
        self._containers = containers
        self._pods = pods
        self._clock = clock
        self._registry = registry
        self._credentials = credentials
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> int:
        """Listen on the node's address; return the port, with 0 the one of before. Raises OSError when it is taken."""
        certificate, key = make_certificate(self._layout.pki, self._name, self._ip, self._clock.now())
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        if self._credentials.client_ca_file is not None:
            context.load_verify_locations(self._credentials.client_ca_file)
            context.verify_mode = ssl.CERT_OPTIONAL
        application = web.Application(middlewares=[self._authenticated])
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        Streaming(PodPrograms(self._layout, self._containers, self._pods)).add_routes(application.router)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        known = self._layout.kubelet_port
        if port == 0 and known.is_file():  # the Node object names this port: a restart should not move it
            with contextlib.suppress(OSError):
                return await self._listen(context, int(known.read_text()))
        bound = await self._listen(context, port)
        known.write_text(str(bound))
        return bound

    async def _listen(self, context: ssl.SSLContext, port: int) -> int:
        assert self._runner is not None
        site = web.TCPSite(self._runner, self._ip, port, ssl_context=context)
        await site.start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self) -> None:
        """Stop listening; followers are cut off."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _authenticated(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        known = self._has_certificate(request) or self._has_token(request.headers.get("Authorization", ""))
        if request.path not in OPEN_PATHS and not known:
            return web.Response(status=401, text="Unauthorized")
        return await handler(request)

    @staticmethod
    def _has_certificate(request: web.Request) -> bool:
        """Return whether the client showed a certificate; only one of our CA gets through the handshake."""
        return request.transport is not None and bool(request.transport.get_extra_info("peercert"))

    def _has_token(self, header: str) -> bool:
        """Compare with the token file, read anew each time so that a rotated token counts at once."""
        file = self._credentials.token_file
        if file is None or not file.is_file():
            return False
        token = file.read_text().strip()
        scheme, _, given = header.partition(" ")
        return (
            bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
        )

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), content_type="text/plain")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        key = Key(request.match_info["namespace"], request.match_info["pod"])
        name = request.match_info["container"]
        try:
            options = parse_log_options(request.query, self._clock.now())
        except ValueError as error:
            return web.Response(status=400, text=f"invalid log options: {error}")
        record = self._record(key, name, previous=options.previous)
        if isinstance(record, web.Response):
            return record
        folder = self._layout.attempt(record.uid, record.name, record.attempt)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):  # the reader has gone
            async for block in read_log(folder, options, lambda: _ended(folder)):
                await response.write(block)
            await response.write_eof()
        return response

    def _record(self, key: Key, name: str, *, previous: bool) -> Record | web.Response:
        uid = next((uid for uid, state in self._pods.items() if state.key == key), None)
        if uid is None:
            return web.Response(status=404, text=f'pod "{key.name}" not found on this node')
        records = self._containers.records(uid).get(name, ())
        if previous:
            if len(records) < 2:
                text = f'previous terminated container "{name}" in pod "{key.name}" not found'
                return web.Response(status=400, text=text)
            return records[-2]
        if not records:
            text = f'container "{name}" in pod "{key.name}" is waiting to start'
            return web.Response(status=400, text=text)
        return records[-1]


def _ended(folder: Path) -> bool:
    """Return whether a run has ended, from its record's file: whose replacement is what wakes a follower."""
    record = read_record(folder)
    return record is None or not record.running
