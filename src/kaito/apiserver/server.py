"""The embedded API server as one object: an async context manager that loses nothing when it ends."""

import asyncio
import errno
import fcntl
import random
import secrets
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from aiohttp import web

from kaito.apiserver import tls
from kaito.apiserver.api import ResourceApi
from kaito.apiserver.audit import AuditLog
from kaito.apiserver.http import FrontDoor
from kaito.apiserver.identity import Identities
from kaito.apiserver.kinds.addresses import ServiceAddresses
from kaito.apiserver.lifecycle import Lifecycle
from kaito.apiserver.memory import give_back
from kaito.apiserver.openapi import OpenApi
from kaito.apiserver.pod_logs import PodLogs
from kaito.apiserver.pod_streams import PodStreams
from kaito.apiserver.reads import Reader
from kaito.apiserver.registry import Registry
from kaito.apiserver.store import Store
from kaito.apiserver.watching import BOOKMARK_SECONDS
from kaito.apiserver.webhooks import WebhookAdmission
from kaito.apiserver.writes import CRD_STORAGE, Writer
from kaito.core import ConnectionSettings
from kaito.core.clock import Clock, SystemClock
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.core.tls import bound_read_buffers

_log = get_logger()
_GIVE_BACK_EVERY = 10
_CHECKPOINT_EVERY = 10
_MAINTENANCE_SECONDS = 1.0
_RESTART_SECONDS = 1.0
_SHUTDOWN_SECONDS = 5.0


@dataclass(frozen=True)
class ServerOptions:
    """How a server runs. Without `data_dir` everything is in memory; port 0 takes a free one; times are in seconds."""

    data_dir: Path | None = None
    bind: str = "127.0.0.1"
    port: int = 0
    token: str = ""
    token_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None
    service_cidr: str = "127.96.0.0/16"
    audit_log_path: Path | None = None
    kubelet_token_file: Path | None = None
    history_limit: int = 10_000
    bookmark_seconds: float = BOOKMARK_SECONDS
    clock: Clock = field(default_factory=SystemClock)
    chance: random.Random = field(default_factory=random.SystemRandom)


class EmbeddedServer:
    """A running API server; made by `start`.

    >>> async with EmbeddedServer.start() as server:
    ...     client = await Client.connect(server.connection_settings, field_manager="me")
    """

    def __init__(self, options: ServerOptions, certificates: tls.Certificates, token: str, store: Store) -> None:
        self.options = options
        self.token = token
        self.certificates = certificates
        self.store = store
        self.port = options.port
        self._audit = AuditLog(options.audit_log_path)
        registry = Registry()
        for crd in store.objects(CRD_STORAGE):
            registry.serve(crd)
        taken = (service.get("spec", {}).get("clusterIP", "") for service in store.objects("services"))
        addresses = ServiceAddresses(options.service_cidr, taken)
        reader = Reader(store, options.clock)
        self._writer = Writer(store, registry, addresses, options.chance)
        self.lifecycle = Lifecycle(self._writer, options.clock)
        self._webhooks = WebhookAdmission(store, registry, options.chance)
        identities = Identities(store, token, options.clock, options.chance)
        self._api = ResourceApi(
            reader,
            self._writer,
            PodLogs(store, options.kubelet_token_file),
            PodStreams(store, options.kubelet_token_file),
            self._webhooks,
            identities,
            options.clock,
            options.chance,
            options.bookmark_seconds,
        )
        self._door = FrontDoor(
            self._api,
            registry,
            OpenApi(registry),
            self._audit,
            options.clock,
            identities,
            lambda: f"{options.bind}:{self.port}",
        )

    @classmethod
    @asynccontextmanager
    async def start(
        cls, data_dir: Path | str | None = None, *, options: ServerOptions | None = None
    ) -> AsyncIterator["EmbeddedServer"]:
        """Open the data directory, listen, and serve until the block ends.

        Raises KaitoError StaleDataDirectory, DataDirectoryInUse, PortInUse, UnreadableToken or UnreadableCertificate.
        """
        options = options or ServerOptions(data_dir=Path(data_dir) if data_dir else None)
        async with AsyncExitStack() as stack:
            home = options.data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kaito-apiserver-")))
            if options.data_dir:
                stack.callback(_lock(home).close)
            token = options.token or (
                tls.ensure_token(options.token_file) if options.token_file else secrets.token_urlsafe(32)
            )
            store = Store(home / "state.db" if options.data_dir else None, history_limit=options.history_limit)
            stack.callback(store.close)
            server = cls(options, certificates_of(options, home), token, store)
            stack.callback(server._audit.close)
            stack.push_async_callback(server._webhooks.close)
            await server._listen(stack)
            server.lifecycle.create_first_objects(options.bind, server.port)
            for name, work in (
                ("lifecycle", server.lifecycle.run),
                ("events", server.lifecycle.forget_old_events),
                ("maintenance", server._maintain),
            ):
                stack.push_async_callback(_cancelled, asyncio.create_task(server._keep(name, work), name=name))
            stack.callback(server.stop_watches)
            yield server

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request, however it came here."""
        return await self._door.handle(request)

    def stop_watches(self) -> None:
        """End every watch and every tunnel to a kubelet, so that their requests finish."""
        self._api.stop_watches()

    async def _listen(self, stack: AsyncExitStack) -> None:
        bound_read_buffers()
        runner = web.ServerRunner(
            web.Server(self.handle, access_log=None),
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self.options.bind, self.options.port, ssl_context=self._ssl_context())
        try:
            await site.start()
        except OSError as error:
            raise _cannot_listen(self.options, error) from error
        self.port = runner.addresses[0][1]

    def _ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificates.certificate, self.certificates.key)
        except (OSError, ssl.SSLError) as error:
            raise KaitoError(
                "UnreadableCertificate",
                f"{self.certificates.certificate} with the key {self.certificates.key} cannot be used: {error}.",
                terminal=True,
                remedy="Name a PEM certificate and its key, or none at all: the server makes its own then.",
            ) from error
        return context

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001 - one failed round must not end the server's own work for good
                _log.exception("background work failed and starts again", work=name)
                await self.options.clock.sleep(_RESTART_SECONDS)

    async def _maintain(self) -> None:
        rounds = 0
        while True:
            await self.options.clock.sleep(_MAINTENANCE_SECONDS)
            self._audit.flush()
            rounds += 1
            if rounds % _GIVE_BACK_EVERY == 0:
                give_back()
            if rounds % _CHECKPOINT_EVERY == 0:
                await asyncio.to_thread(self.store.checkpoint)

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"https://{self.options.bind}:{self.port}"

    @property
    def connection_settings(self) -> ConnectionSettings:
        """How a client of core reaches this server as its administrator."""
        return ConnectionSettings(server=self.url, ca_data=self.certificates.authority.read_bytes(), token=self.token)

    def flush_audit_log(self) -> None:
        """Bring the audit log up to date on the disk."""
        self._audit.flush()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for the administrator, readable by its owner alone; returns its path."""
        cluster = {"server": self.url, "certificate-authority": str(self.certificates.authority.resolve())}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kaito", "cluster": cluster}],
            "users": [{"name": "kaito-admin", "user": {"token": self.token}}],
            "contexts": [
                {"name": "kaito", "context": {"cluster": "kaito", "user": "kaito-admin", "namespace": "default"}}
            ],
            "current-context": "kaito",
        }
        tls.write_private(path, yaml.safe_dump(config, sort_keys=False).encode())
        return path


def certificates_of(options: ServerOptions, home: Path) -> tls.Certificates:
    """Return the given certificates, else those in the data directory `home`, which are made when they are missing."""
    if options.tls_cert_file and options.tls_private_key_file:
        authority = options.tls_cert_file.with_name("ca.crt")
        return tls.Certificates(
            authority if authority.exists() else options.tls_cert_file,
            options.tls_cert_file,
            options.tls_private_key_file,
        )
    hosts = dict.fromkeys(
        (options.bind, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    )
    return tls.ensure_certificates(home / "tls", tuple(hosts), options.clock)


def _lock(home: Path):  # type: ignore[no-untyped-def]
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "lock").open("w")
    except OSError as error:
        raise KaitoError(
            "StaleDataDirectory",
            f"The data directory {home} cannot be used: {error}.",
            terminal=True,
            remedy="Choose another --data-dir.",
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise KaitoError(
            "DataDirectoryInUse",
            f"Another kaito-apiserver works in {home}.",
            terminal=True,
            remedy="Stop it first (`kaito down`), or choose another --data-dir.",
        ) from None
    return file


def _cannot_listen(options: ServerOptions, error: OSError) -> KaitoError:
    where = f"{options.bind}:{options.port}"
    if error.errno == errno.EADDRINUSE:
        return KaitoError(
            "PortInUse",
            f"Port {options.port} of {options.bind} is in use by another process.",
            terminal=True,
            remedy=f"Stop that process (`ss -ltnp 'sport = :{options.port}'` names it), or choose another --port.",
        )
    return KaitoError(
        "CannotListen", f"Cannot listen on {where}: {error.strerror}.", terminal=True, remedy="Choose another --bind."
    )


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
