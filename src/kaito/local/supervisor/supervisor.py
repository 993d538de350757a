"""Starts a cluster in order, keeps it running, ends it in the opposite order."""

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from kaito.api.crd import crds
from kaito.core import Client, install_custom_resources, load_connection
from kaito.core.clock import Clock, SystemClock
from kaito.core.errors import ForbiddenError, KaitoError
from kaito.core.logs import get_logger
from kaito.local.machines import MachineRoom, MachineRoomSettings
from kaito.local.processes import Child, ChildSpec, Records, end_leftovers, identify
from kaito.local.supervisor import specs
from kaito.local.supervisor.kubeconfig import make_token, write_kubeconfig
from kaito.local.supervisor.ranges import claim_ranges, write_ranges
from kaito.local.supervisor.readiness import wait_ready
from kaito.local.supervisor.service_accounts import ServiceAccounts
from kaito.local.supervisor.settings import SupervisorSettings, SupervisorState, check_port
from kaito.local.supervisor.steps import Step, StepReporter
from kaito.local.supervisor.webhook import LocalWebhook

_log = get_logger()


class Supervisor:
    """Owns every process of one local cluster."""

    def __init__(self, settings: SupervisorSettings, report: StepReporter, clock: Clock) -> None:
        self._settings = settings
        self._paths = settings.paths
        self._report = report
        self._clock = clock
        self._records = Records(self._paths.run)
        self._children: list[Child] = []
        self._runs: set[asyncio.Task[None]] = set()
        self._room: MachineRoom | None = None
        self._webhook = LocalWebhook(settings.client_kubeconfig, settings.webhook_port, clock)

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, run until `stop`, end everything. KaitoError when the start fails; nothing is left then."""
        try:
            await self._start(stop)
            if not stop.is_set():
                self._report(Step("", "done"))
                await stop.wait()
        finally:
            await self._end()

    async def _start(self, stop: asyncio.Event) -> None:
        for start in (
            *((self._start_api_server,) if self._settings.embedded else ()),
            self._start_custom_resources,
            *(() if self._settings.embedded else (self._start_service_accounts,)),
            self._start_cluster,
            self._start_controllers,
            *(() if self._settings.embedded else (self._confirm_webhook,)),
            self._start_machines,
        ):
            if stop.is_set():
                return
            await start()

    async def _start_api_server(self) -> None:
        async with self._step(f"API server on https://127.0.0.1:{self._settings.port}"):
            check_port(self._settings.port)
            make_token(self._paths.kubelet_token_file)
            child = self._spawn(specs.api_server(self._settings))
            server = f"https://127.0.0.1:{self._settings.port}"
            trust, token = self._paths.ca_file, self._paths.token_file
            await wait_ready(child, f"{server}/readyz", self._clock, ca_file=trust, token_file=token)
            write_kubeconfig(self._paths.kubeconfig, server, trust, token)

    async def _start_custom_resources(self) -> None:
        async with self._step("Custom resources (Workspace, Machine)"):
            admin = await Client.connect(load_connection(str(self._settings.client_kubeconfig)), field_manager="kaito")
            try:
                await install_custom_resources(admin, crds(), clock=self._clock)
            finally:
                await admin.close()
            await self._webhook.install()

    async def _start_service_accounts(self) -> None:
        async with self._step("Service accounts and roles (namespace kaito-system)"):
            accounts = ServiceAccounts(self._settings.client_kubeconfig, self._paths.credentials, self._clock)
            await accounts.install()
            self._keep(asyncio.create_task(accounts.keep_valid()))

    async def _start_cluster(self) -> None:
        name = "Scheduler, deployments, service proxy" if self._settings.embedded else "Service proxy"
        async with self._step(name):
            child = self._spawn(specs.cluster(self._settings))
            await wait_ready(child, f"http://127.0.0.1:{self._settings.cluster_port}/readyz", self._clock)

    async def _start_controllers(self) -> None:
        async with self._step("Workspace controller, GPU provisioner"):
            controller = self._spawn(specs.controller(self._settings))
            provisioner = self._spawn(specs.provisioner(self._settings))
            async with _first_error(), asyncio.TaskGroup() as group:
                for child, port in (
                    (controller, self._settings.controller_port),
                    (provisioner, self._settings.provisioner_port),
                ):
                    group.create_task(wait_ready(child, f"http://127.0.0.1:{port}/readyz", self._clock))

    async def _confirm_webhook(self) -> None:
        started, name = self._clock.monotonic(), "Admission webhook"
        self._report(Step(name, "started"))
        if not await self._webhook.confirm():
            name += " is off: the API server does not reach this machine (the controller finds the same faults later)"
        self._report(Step(name, "done", self._clock.monotonic() - started))

    async def _start_machines(self) -> None:
        async with self._step("Local cloud"):
            paths = self._paths
            settings = MachineRoomSettings(
                cloud=paths.cloud,
                nodes=paths.nodes,
                logs=paths.logs,
                kubeconfig=self._settings.kubeconfig_of(specs.NODE),
                cluster_cidr=self._settings.pod_cidr,
                kubelet_token=str(paths.kubelet_token_file) if self._settings.embedded else "",
                kubelet_client_ca="" if self._settings.embedded else self._kubelet_client_ca(),
            )
            self._room = MachineRoom(settings, self._records, self._clock)
            self._keep(asyncio.create_task(self._room.run()))

    def _kubelet_client_ca(self) -> str:
        """Write down the cluster's own authority; as with kubeadm, it signs the API server's client certificate too."""
        cluster = load_connection(str(self._settings.client_kubeconfig))
        if cluster.ca_data is None:
            return str(cluster.ca_file or "")
        self._paths.kubelet_client_ca_file.write_bytes(cluster.ca_data)
        return str(self._paths.kubelet_client_ca_file)

    async def _end(self) -> None:
        """End controllers first, so that nothing reacts to the nodes that go next; the API server goes last.

        On one that is not ours nobody calls us any more before that.
        """
        if not self._settings.embedded:
            await self._webhook.remove()
        by_name = {child.spec.name: child for child in self._children}
        first = [by_name[name] for name in (specs.CONTROLLER, specs.PROVISIONER) if name in by_name]
        await asyncio.gather(*(child.stop() for child in first))
        if self._room is not None:
            await self._room.stop()
        for name in (specs.CLUSTER, specs.API_SERVER):
            if name in by_name:
                await by_name[name].stop()
        for task in self._runs:
            task.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)

    def _spawn(self, spec: ChildSpec) -> Child:
        child = Child(spec, self._records, self._clock)
        self._children.append(child)
        self._keep(asyncio.create_task(child.keep_running()))
        return child

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._runs.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a part of the supervisor failed", error=str(error), exc_info=error)

    @asynccontextmanager
    async def _step(self, name: str) -> AsyncIterator[None]:
        started = self._clock.monotonic()
        self._report(Step(name, "started"))
        try:
            yield
        except KaitoError as error:
            if isinstance(error, ForbiddenError) and not error.remedy:
                error.remedy = "Starting kaito needs the kubeconfig of an admin of the cluster."
            seconds = self._clock.monotonic() - started
            self._report(Step(name, "failed", seconds, error.advice))
            raise
        self._report(Step(name, "done", self._clock.monotonic() - started))


@asynccontextmanager
async def hold(settings: SupervisorSettings) -> AsyncIterator[None]:
    """Be the one supervisor of the folder: take the lock, end what a crashed one left, say who we are.

    KaitoError (AlreadyRunning, RangeInUse) when another supervisor holds the lock, or our addresses.
    """
    paths = settings.paths
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KaitoError(
                "AlreadyRunning",
                f"A cluster runs in {paths.root} already.",
                terminal=True,
                remedy="`kaito down` ends it.",
            ) from error
        left = await asyncio.to_thread(end_leftovers, Records(paths.run), paths.nodes)
        if left:
            _log.warning("ended what a crashed supervisor had left", processes=left)
        own = identify(os.getpid())
        state = SupervisorState(os.getpid(), own.start_ticks if own else 0, settings)
        paths.state.write_bytes(msgspec.json.encode(state))
        with claim_ranges(settings.ranges):
            write_ranges(paths, settings.ranges)
            yield
        paths.state.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _first_error() -> AsyncIterator[None]:
    """Raise the first KaitoError of a task group instead of the group."""
    try:
        yield
    except* KaitoError as group:
        raise group.exceptions[0] from None


async def supervise(settings: SupervisorSettings, report: StepReporter) -> int:
    """Hold the folder and run its cluster until a signal; return the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    try:
        async with hold(settings):
            await Supervisor(settings, report, SystemClock()).run(stop)
    except KaitoError as error:
        report(Step("", "failed", message=error.advice))
        _log.error("the cluster did not start", error=str(error))
        return 1
    return 0
