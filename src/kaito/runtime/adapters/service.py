"""The adapters of one server, on the loop beside the serving one: what is wanted, the store, what is served."""

import asyncio
import contextlib
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from kaito.contracts import (
    ADAPTER_CREDENTIALS_PATH,
    ADAPTER_STORE_BYTES,
    AdapterSet,
    AdapterSetInForce,
    AdapterStatus,
    WantedAdapter,
)
from kaito.runtime.adapters.check import LARGEST_ADAPTER, ServedBase
from kaito.runtime.adapters.follower import Follower, Places
from kaito.runtime.adapters.known import KnownContent
from kaito.runtime.adapters.manager import AdapterManager, Changes, Engine
from kaito.runtime.adapters.prepare import Preparation
from kaito.runtime.adapters.sources import Limits, Place
from kaito.runtime.adapters.store import AdapterStore
from kaito.runtime.status import StatusBoard
from kaito.runtime.status.adapter_metrics import AdapterMetrics

_log = structlog.get_logger("kaito.runtime.adapters")

WORKERS = 4
"""Adapters that are checked at one time. The checks read files and little else."""

STOP_SECONDS = 2.0
"""How long the end waits for threads that unpack or check an adapter."""


class AdapterService:
    """Owns the tasks that keep adapters in step. Every method but the constructor runs on the loop that `start` ran on.

    `taken` are names that no adapter may have.
    """

    def __init__(
        self,
        board: StatusBoard,
        metrics: AdapterMetrics,
        places: Places,
        *,
        workspace: str,
        taken: Collection[str],
    ) -> None:
        self._board = board
        self._places = places
        self._pulls = metrics.pulls
        self._workers = ThreadPoolExecutor(WORKERS, "kaito-adapters")
        self._in_force: AdapterSetInForce | None = None
        self._statuses: tuple[AdapterStatus, ...] = ()
        changes = Changes(self._report, metrics.loaded, metrics.failed, metrics.engine_holds)
        self._manager = AdapterManager(changes, workspace=workspace, clock=time.monotonic, wall=time.time)
        self._follower = Follower(
            places, taken=taken, want=self._manager.want, in_force=self._took_over, clock=time.monotonic
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, base: ServedBase) -> None:
        """Begin to follow what is wanted, for this base model. Raises OSError when the store cannot be written to."""
        store = await asyncio.to_thread(AdapterStore, self._places.store / "store", ADAPTER_STORE_BYTES)
        known = KnownContent(self._places.store)
        prepare = Preparation(store, base, self._workers, self._place, known, self._pulls)
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._manager.run(prepare, store.keep), name="adapters"),
            loop.create_task(self._follower.run(), name="adapter sources"),
        ]
        for task in self._tasks:
            task.add_done_callback(_report_end)

    def _place(self, folder: Path) -> Place:
        """Return where the files of one adapter go; the downloads are on the store's disk."""
        return Place(
            folder,
            self._places.store / "downloads",
            credentials=self._places.credentials or Path(ADAPTER_CREDENTIALS_PATH),
            limits=Limits(adapter=LARGEST_ADAPTER),
            private_sources=self._places.private_sources,
            offline=self._places.offline,
        )

    async def attach(self, engine: Engine, taken: Collection[str], limit: float) -> None:
        """Load into the engine from now on; return when all is settled, or after `limit` seconds."""
        self._follower.take(taken)
        self._manager.attach(engine)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._manager.settled()

    async def detach(self) -> None:
        """Leave the engine alone from now on: it is about to end."""
        self._manager.detach()

    async def stop(self) -> None:
        """End all tasks, as far as threads let them within `STOP_SECONDS`; the process ends soon."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        self._workers.shutdown(wait=False, cancel_futures=True)

    @property
    def adapter_set(self) -> AdapterSet | None:
        """The set in force."""
        return self._follower.adapter_set

    @property
    def single(self) -> tuple[WantedAdapter, ...]:
        """What was put one by one beside it."""
        return self._follower.single

    @property
    def statuses(self) -> tuple[AdapterStatus, ...]:
        """Every adapter's state, with the bytes of those that are being pulled."""
        return tuple(self._pulls.shown_in(status) for status in self._statuses)

    async def put_set(self, adapter_set: AdapterSet) -> None:
        """See `Follower.put_set`."""
        await self._follower.put_set(adapter_set)

    async def put_single(self, adapter: WantedAdapter) -> None:
        """See `Follower.put_single`."""
        await self._follower.put_single(adapter)

    async def delete_single(self, name: str) -> bool:
        """See `Follower.delete_single`."""
        return await self._follower.delete_single(name)

    def _report(self, statuses: tuple[AdapterStatus, ...]) -> None:
        self._statuses = statuses
        self._board.adapters(statuses, self._in_force)

    def _took_over(self, in_force: AdapterSetInForce | None) -> None:
        self._in_force = in_force
        self._board.adapters(self._statuses, in_force)


def _report_end(task: asyncio.Task[None]) -> None:
    """Say in the log that adapters are followed no more; what is served is served on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("adapters are not followed any more", task=task.get_name(), exc_info=error)
