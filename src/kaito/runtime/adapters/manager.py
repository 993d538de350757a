"""Drives adapters from what is wanted to what is served: looks, decides, starts the work, and takes its results."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from kaito.contracts import AdapterPhase, AdapterReason, AdapterStatus
from kaito.runtime.adapters import decide
from kaito.runtime.adapters.decide import Prepared, Served, Tracked
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.folders import look
from kaito.runtime.adapters.names import Names, names
from kaito.runtime.adapters.pulling import Pulling
from kaito.runtime.adapters.sizing import slot_rank
from kaito.runtime.adapters.wanted import Merged, Refused, Wanted

_log = structlog.get_logger("kaito.runtime.adapters")

SETTLE_SECONDS = 3.0
"""How long after its last change a folder that cannot be used is taken for one that is still being written."""

LOOK_AGAIN_SECONDS = 0.5
"""How soon such a folder is looked at again, should no event come before."""

_MAY_BE_WRITTEN: frozenset[AdapterReason] = frozenset(
    {"ConfigMissing", "ConfigInvalid", "WeightsMissing", "WeightsInvalid", "BaseMismatch", "NotFinite"}
)

Prepare = Callable[[Wanted, Callable[[AdapterPhase], None]], Awaitable[Prepared]]
"""Fetches, checks and stores an adapter; tells the phases it goes through. Raises AdapterError."""


Keep = Callable[[frozenset[str]], None]
"""Told the digests in the store that must stay. Does I/O: it is called in a thread."""


class Engine(Protocol):
    """What loads adapters, names and unloads them. A rank above `largest_rank` has no room; 0: LoRA is off."""

    largest_rank: int

    async def load(self, name: str, version: str, folder: Path) -> int:
        """Load, and return the engine's number of it. Raises AdapterError."""

    async def publish(self, names: Names) -> None:
        """Answer under exactly these names."""

    async def unload(self, number: int) -> None:
        """Take out when its last request has ended."""

    async def resident(self) -> frozenset[int]:
        """Return the numbers that are in memory."""


@dataclass(frozen=True)
class Changes:
    """Who is told what happens: `report` every change of the statuses, the others for the metrics."""

    report: Callable[[tuple[AdapterStatus, ...]], None]
    loaded: Callable[[float, bool], None] = lambda seconds, swapped: None
    failed: Callable[[AdapterReason], None] = lambda reason: None
    engine_holds: Callable[[int, int], None] = lambda resident, evicted: None


class AdapterManager:
    """Keeps what is served in step with what is wanted. For one event loop; work runs in tasks that `run` owns.

    `clock` is steady, `wall` is that of the file system; both in seconds.
    """

    def __init__(
        self,
        changes: Changes,
        *,
        workspace: str,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._prepare: Prepare | None = None
        self._keep: Keep = lambda digests: None
        self._kept: frozenset[str] | None = frozenset()
        self._preparing = 0
        self._changes = changes
        self._workspace = workspace
        self._clock = clock
        self._wall = wall
        self._wanted = Merged({})
        self._tracked: dict[str, Tracked] = {}
        self._pulling = Pulling()
        self._engine: Engine | None = None
        self._loaded: dict[int, Prepared] = {}
        self._leaving: set[int] = set()
        self._names: Names | None = None
        self._reported: tuple[AdapterStatus, ...] = ()
        self._woken = asyncio.Event()
        self._settled = asyncio.Event()

    def want(self, merged: Merged) -> None:
        """Work towards this from now on."""
        self._wanted = merged
        self._settled.clear()
        self._woken.set()

    def attach(self, engine: Engine) -> None:
        """Load into this engine from now on."""
        self._engine = engine
        self._settled.clear()
        self._woken.set()

    def detach(self) -> None:
        """Leave the engine alone from now on: it is about to end."""
        self._engine = None

    async def settled(self) -> None:
        """Return when every adapter that is wanted is served or has failed."""
        await self._settled.wait()

    @property
    def names(self) -> Names:
        """The names that clients are answered under beside the base model's."""
        return self._names or {}

    async def run(self, prepare: Prepare, keep: Keep) -> None:
        """Drive until cancelled."""
        self._prepare, self._keep = prepare, keep
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                await self._turn(tasks)
                await self._wait()

    async def _turn(self, tasks: asyncio.TaskGroup) -> None:
        """Start what is due, end what is not wanted, have the names follow, and let go what has none any more."""
        now = self._clock()
        self._tracked = decide.follow_together(self._tracked, self._wanted.wanted, self._workspace, now)
        self._pulling.end_unwanted(self._tracked)
        for name, step in decide.steps(self._tracked, now, engine=self._engine is not None):
            state = self._tracked[name] = self._tracked[name].begin(step)
            task = tasks.create_task(self._take(state, step), name=f"{step} {name}")
            if step == "prepare" and state.wanted is not None and state.wanted.remote:
                self._pulling.add(task, state)
        await self._publish(tasks)
        self._tell()
        await self._keep_what_is_needed()

    async def _keep_what_is_needed(self) -> None:
        """Let the store drop what nobody needs, while nothing is on its way into it, wanted still or not."""
        if self._preparing or any(state.busy == "prepare" for state in self._tracked.values()):
            return
        kept = {*self._loaded.values(), *(state.prepared for state in self._tracked.values() if state.prepared)}
        needed = frozenset(digest for prepared in kept for digest in (prepared.digest, prepared.stored))
        if needed != self._kept:
            self._kept = needed
            try:
                await asyncio.to_thread(self._keep, needed)
            except OSError as error:
                _log.warning("the adapter store could not be tidied", why=str(error))

    async def _publish(self, tasks: asyncio.TaskGroup) -> None:
        engine = self._engine
        if engine is None:
            return
        following = names(self._tracked, self._workspace, self._names or {})
        if following != self._names:
            await engine.publish(following)
            self._names = following
            tasks.create_task(self._count(engine), name="count adapters")
        served = {state.served.number for state in self._tracked.values() if state.served is not None}
        served |= {target.number for target in following.values() if target is not None}
        for number in set(self._loaded) - served - self._leaving:
            self._leaving.add(number)
            tasks.create_task(self._let_go(engine, number), name=f"unload {number}")

    async def _take(self, state: Tracked, step: decide.Step) -> None:
        """Take one step for an adapter; its result counts only if the same is still wanted then."""
        try:
            following = await (self._prepared(state) if step == "prepare" else self._load(state))
        except AdapterError as error:
            following = await self._failed(state, error)
        except Exception as error:  # noqa: BLE001 - one adapter never ends the others
            _log.exception("an adapter could not be brought on", name=state.name, step=step)
            following = await self._failed(state, AdapterError("LoadFailed", f"{type(error).__name__}: {error}"))
        now = self._tracked.get(state.name)
        if now is not None and now.busy == step and now.wants_the_same(state):
            self._tracked[state.name] = following(now)
        self._woken.set()

    async def _prepared(self, state: Tracked) -> Callable[[Tracked], Tracked]:
        wanted, prepare = state.wanted, self._prepare
        if wanted is None or prepare is None:
            raise AssertionError
        self._preparing += 1
        try:
            prepared = await prepare(wanted, lambda phase: self._went_on(state, phase))
        finally:
            self._preparing -= 1
            self._kept = None  # what it put into the store may be for nobody now
            self._woken.set()

        def take_over(now: Tracked) -> Tracked:
            return now.was_prepared(prepared, self._clock())

        return take_over

    async def _load(self, state: Tracked) -> Callable[[Tracked], Tracked]:
        engine, prepared = self._engine, state.prepared
        if engine is None or prepared is None:
            raise AssertionError
        _check_rank(prepared, engine.largest_rank)
        number = await engine.load(state.name, prepared.version, Path(prepared.folder))
        self._loaded[number] = prepared
        served = Served(number, prepared)

        def take_over(now: Tracked) -> Tracked:
            following = now.was_loaded(served, self._clock())
            self._changes.loaded(following.seconds or 0.0, now.served is not None)
            return following

        return take_over

    async def _failed(self, state: Tracked, error: AdapterError) -> Callable[[Tracked], Tracked]:
        """Return what an error makes of an adapter. A folder that is being written has not failed yet."""
        wanted = state.wanted
        if wanted is not None and wanted.mark and error.reason in _MAY_BE_WRITTEN:
            folder = await asyncio.to_thread(look, Path(wanted.spec["path"]))
            if folder.mark != wanted.mark or abs(self._wall() - folder.changed) < SETTLE_SECONDS:
                again = self._clock() + LOOK_AGAIN_SECONDS
                return lambda now: now.unsettled(f"Its files are still being written: {error}", again)
        self._changes.failed(error.reason)
        return lambda now: now.failed(error, self._clock())

    def _went_on(self, state: Tracked, phase: AdapterPhase) -> None:
        self._pulling.has_come()
        now = self._tracked.get(state.name)
        if now is not None and now.busy and now.wants_the_same(state) and now.phase not in {phase, "Failed"}:
            self._tracked[state.name] = now.went_on(phase)
            self._tell()

    async def _count(self, engine: Engine) -> None:
        """Say what the engine has in memory. Of more than it has room for, those longest unused are evicted."""
        with contextlib.suppress(Exception):  # it may be ending
            resident = await engine.resident()
            self._changes.engine_holds(len(resident), len(set(self._loaded) - resident - self._leaving))

    async def _let_go(self, engine: Engine, number: int) -> None:
        try:
            await engine.unload(number)
        except Exception:  # noqa: BLE001 - the engine may be ending, and the others go on
            _log.exception("an adapter could not be taken out of the engine", number=number)
        self._loaded.pop(number, None)
        self._leaving.discard(number)
        await self._count(engine)
        for name, state in list(self._tracked.items()):
            if state.wanted is None and state.leaving is not None and state.leaving.number == number:
                del self._tracked[name]
        self._woken.set()

    async def _wait(self) -> None:
        at = decide.next_look(self._tracked)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if at is None else max(0.0, at - self._clock())):
                await self._woken.wait()

    def _tell(self) -> None:
        statuses = (
            *(state.status() for state in self._tracked.values()),
            *(_refused(each) for each in self._wanted.refused),
        )
        ended = all(status["state"] in {"Ready", "Failed", "Draining"} for status in statuses)
        if ended and self._engine is not None and not self._woken.is_set():
            self._settled.set()
        if statuses == self._reported:
            return
        _log_changes(self._reported, statuses)
        self._reported = statuses
        self._changes.report(statuses)


def _check_rank(prepared: Prepared, largest: int) -> None:
    if largest == 0:
        raise AdapterError("NotLoraCapable", "The server was started without --enable-lora. Start it with this flag.")
    if prepared.rank > largest:
        raise AdapterError(
            "RankAboveSlot",
            f"Its rank is {prepared.rank}; the server was started with room for {largest}. "
            f"Restart it with --max-lora-rank={slot_rank(prepared.rank)}.",
        )


def _refused(refused: Refused) -> AdapterStatus:
    return AdapterStatus(name=refused.name, state="Failed", reason=refused.reason, message=refused.message)


def _log_changes(before: Iterable[AdapterStatus], now: Iterable[AdapterStatus]) -> None:
    known = {status["name"]: (status["state"], status["reason"], status.get("digest")) for status in before}
    for status in now:
        if known.get(status["name"]) != (status["state"], status["reason"], status.get("digest")):
            say = _log.warning if status["state"] == "Failed" else _log.info
            say("adapter", **status)
