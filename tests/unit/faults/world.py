"""A whole cluster in one thread on virtual time: API server, built-in controllers, kubelets, cloud, our two processes.

The two processes can be killed like processes: at a given write, with what they held in memory, and start again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fleet import CountedFiles, Fleet, LuckyCloud

from kaito.api.crd import crds
from kaito.controllers import ControllerOptions, Settings, workspace_controller
from kaito.core import Controller, Manager
from kaito.local.controllers import built_in_controllers, garbage_collector
from kaito.provisioner import ProvisionerOptions, machine_controller
from kaito.provisioner.clouds.local import LocalInstance
from kaito.testing import Fault, InProcessServer, LoopClock, Luck

RESTART_SECONDS = 1.0
CONTROLLER, PROVISIONER = "kaito-controller", "kaito-provisioner"
PROCESSES = (CONTROLLER, PROVISIONER)

Plans = dict[str, Sequence[Sequence[Fault]]]
"""What happens to each process: the faults of its first life, of its second, …"""


class Process:
    """One of our two processes: started again after each death, with the luck that is planned for that life."""

    def __init__(self, name: str, world: "World") -> None:
        self.name = name
        self._world = world
        self._plans: list[Sequence[Fault]] = []
        self.luck = Luck()
        self.lives = 0
        self.struck = 0

    def plan(self, lives: Sequence[Sequence[Fault]]) -> None:
        """Count from now on; these are the faults of this life and of those that follow."""
        first, *self._plans = lives or [()]
        self.luck.plan(first)

    async def run(self) -> None:
        """Live, die and live again until cancelled."""
        while True:
            self.lives += 1
            manager = self._world.manager(self.name, self.luck)
            try:
                manager.add(self._controller(manager))
                await manager.start()
                await self.luck.killed.wait()
            finally:
                self.luck.killed.set()
                await _kill(manager)
            self.struck += self.luck.struck
            await self._world.clock.sleep(RESTART_SECONDS)
            self.luck = Luck(self._plans.pop(0) if self._plans else ())

    def _controller(self, manager: Manager) -> Controller:
        if self.name == CONTROLLER:
            return workspace_controller(manager, ControllerOptions(settings=Settings(weights_cache_dir="/cache")))
        world = self._world
        cloud = LuckyCloud(world.files, world.clock, self.luck)
        return machine_controller(manager, ProvisionerOptions(cloud_dir=world.folder), cloud=cloud)


@dataclass(frozen=True)
class Saved:
    """The state of a world, and its time in virtual seconds."""

    state: bytes
    instances: tuple[LocalInstance, ...]
    seconds: float


class World:
    """The cluster. `files` is the cloud, and knows what was ever bought."""

    def __init__(self, server: InProcessServer, clock: LoopClock, folder: Path) -> None:
        self.server, self.clock, self.folder = server, clock, folder
        self.files = CountedFiles(folder)
        self.processes = {name: Process(name, self) for name in PROCESSES}
        self.client = self.manager("test", Luck()).client

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, saved: "Saved | None" = None) -> AsyncIterator["World"]:
        """A cluster with the CRDs, everything running, so far in good luck; as it was when it was saved."""
        (folder / "cloud.yaml").write_text("{launch_seconds: 0.2, boot_seconds: 0}")
        clock, state = LoopClock(), saved.state if saved else b""
        async with InProcessServer.start(clock, seed=len(state), state=state) as server:
            world = cls(server, clock, folder)
            for instance in saved.instances if saved else ():
                world.files.create(instance)
            fleet = Fleet(server, world.client, world.files, clock)
            try:
                for crd in () if saved else crds():
                    await world.client.create(crd)
                async with world._built_in(), _running(fleet.run, *(one.run for one in world.processes.values())):
                    yield world
            finally:
                await world.client.close()

    def save(self) -> "Saved":
        """Return what another world can go on from."""
        return Saved(self.server.store.serialize(), tuple(self.files.all()), self.clock.monotonic())

    def manager(self, name: str, luck: Luck) -> Manager:
        """A manager whose way to the server has this luck."""
        return self.server.new_manager(name, luck=luck)

    @asynccontextmanager
    async def _built_in(self) -> AsyncIterator[None]:
        manager = self.manager("kaito-cluster", Luck())
        for controller in built_in_controllers(manager):
            if controller.name != "node-lifecycle":  # nobody renews leases here
                manager.add(controller)
        manager.add(await garbage_collector(manager))
        await manager.start()
        try:
            yield
        finally:
            await _kill(manager)

    async def until(self, what: str, holds: Callable[[], object], within: float = 120) -> None:
        """Let time pass until something holds."""
        end = self.clock.monotonic() + within
        while not holds():
            assert self.clock.monotonic() < end, f"not within {within:.0f} s: {what}"
            await self.clock.sleep(0.1)

    def plan(self, plans: Plans) -> None:
        """Let bad luck begin."""
        for name, process in self.processes.items():
            process.plan(plans.get(name, ()))

    @property
    def struck(self) -> int:
        """How many of the planned faults have happened."""
        return sum(process.struck + process.luck.struck for process in self.processes.values())


@asynccontextmanager
async def _running(*runs: Callable[[], object]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(run()) for run in runs]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kill(manager: Manager) -> None:
    """End a manager without letting it finish anything."""
    running = manager._running
    while running is not None and not running.done():
        running.cancel()
        await asyncio.sleep(0)
    await manager.client.close()
