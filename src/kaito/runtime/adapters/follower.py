"""Follows what is wanted: the set's file, the adapter directory, what the API was told; hands it to the manager."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from kaito.contracts import AdapterSet, AdapterSetInForce, WantedAdapter, adapter_set_digest
from kaito.runtime.adapters import memory
from kaito.runtime.adapters.adapter_set import InvalidSetError, newer, parse_set
from kaito.runtime.adapters.folders import adapter_folders, directory_wants, look, to_follow
from kaito.runtime.adapters.inotify import FolderEvents
from kaito.runtime.adapters.lingering import Lingering
from kaito.runtime.adapters.memory import Told
from kaito.runtime.adapters.wanted import Merged, Wanted, merge

_log = structlog.get_logger("kaito.runtime.adapters")

LOOK_SECONDS = 10.0
"""How often everything is looked at although no event came: some file systems of networks give none."""

BLIND_LOOK_SECONDS = 1.0
"""The same where the kernel gives no events at all."""

LARGEST_FILE = 2**20
"""Bytes of a set's file that are read; as much as a ConfigMap can hold."""


class OlderGenerationError(Exception):
    """A set is older than the one in force."""


@dataclass(frozen=True)
class Places:
    """Where what is wanted is found, and where it is kept. `store` has what the API was told, too.

    `private_sources`: URLs may lead into private networks. `offline`: no hub may be asked.
    """

    store: Path
    directory: Path | None = None
    set_file: Path | None = None
    credentials: Path | None = None
    private_sources: bool = False
    offline: bool = False


class Follower:
    """Merges the three origins each time one of them changes. For one event loop.

    `taken` are names that no adapter may have. `clock` is steady, in seconds.
    """

    def __init__(
        self,
        places: Places,
        *,
        taken: Collection[str],
        want: Callable[[Merged], None],
        in_force: Callable[[AdapterSetInForce | None], None],
        clock: Callable[[], float],
    ) -> None:
        self._places = places
        self._taken = frozenset(taken)
        self._want = want
        self._say_in_force = in_force
        self._clock = clock
        self._lingering = Lingering()
        self._told = memory.read(places.store)
        self._from_file: AdapterSet | None = None
        self._file_content: bytes | None = None
        self._folders: tuple[Path, ...] = ()
        self._changed = asyncio.Event()
        self._events = FolderEvents(self._changed.set)
        self._one_at_a_time = asyncio.Lock()

    @property
    def adapter_set(self) -> AdapterSet | None:
        """The set in force: the file's or the one that was put, whichever has the higher generation."""
        return newer(self._told.adapter_set, self._from_file)

    @property
    def single(self) -> tuple[WantedAdapter, ...]:
        """The adapters that were put one by one, beside the set."""
        return self._told.single

    def take(self, names: Collection[str]) -> None:
        """Let no adapter have these names either."""
        self._taken |= frozenset(names)
        self._changed.set()

    async def put_set(self, adapter_set: AdapterSet) -> None:
        """Work towards this set from now on. Raises OlderGenerationError, and OSError when it cannot be kept."""
        async with self._one_at_a_time:
            held = self.adapter_set
            if held is not None and adapter_set["generation"] < held["generation"]:
                raise OlderGenerationError(
                    f"The set has generation {adapter_set['generation']}; one of generation {held['generation']} is "
                    "in force. Read it, and put yours with a higher generation if it is still what you want."
                )
            await self._tell(replace(self._told, adapter_set=adapter_set))

    async def put_single(self, adapter: WantedAdapter) -> None:
        """Want one adapter beside the set, in place of what was put under its name. Raises OSError."""
        async with self._one_at_a_time:
            others = tuple(each for each in self._told.single if each["name"] != adapter["name"])
            await self._tell(replace(self._told, single=(*others, adapter)))

    async def delete_single(self, name: str) -> bool:
        """Want an adapter no more that was put by itself; say whether there was one. Raises OSError."""
        async with self._one_at_a_time:
            others = tuple(each for each in self._told.single if each["name"] != name)
            if len(others) == len(self._told.single):
                return False
            await self._tell(replace(self._told, single=others))
            return True

    async def run(self) -> None:
        """Follow until cancelled."""
        self._events.start()
        try:
            await asyncio.to_thread(self._follow, ())
            while True:
                self._changed.clear()
                seconds = self._until_next_look() if await self._could_look() else BLIND_LOOK_SECONDS
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._changed.wait()
        finally:
            self._events.stop()

    def _until_next_look(self) -> float:
        """Return the seconds after which everything is looked at although no event came."""
        seconds = LOOK_SECONDS if self._events.works else BLIND_LOOK_SECONDS
        lingering = self._lingering.ends_in(self._clock())
        return seconds if lingering is None else min(seconds, lingering)

    async def _tell(self, told: Told) -> None:
        await asyncio.to_thread(memory.write, self._places.store, told)
        self._told = told
        self._changed.set()

    async def _could_look(self) -> bool:
        """Look at everything; False, with all as it was, after an error of a disk or a name that no disk can have."""
        try:
            await self._look()
        except (OSError, ValueError) as error:
            _log.error("what is wanted cannot be looked at", why=f"{type(error).__name__}: {error}")
            return False
        return True

    async def _look(self) -> None:
        """Look at everything. Folders are followed before they are looked at: no change falls between."""
        await asyncio.to_thread(self._read_set_file)
        directory = self._places.directory
        paths = [Path(each["path"]) for each in self._asked() if "path" in each]
        folders = await asyncio.to_thread(adapter_folders, directory, self._folders)
        await asyncio.to_thread(self._follow, (*folders, *paths))
        self._folders = await asyncio.to_thread(adapter_folders, directory, folders)
        from_directory = await asyncio.to_thread(directory_wants, self._folders)
        merged = merge(self.adapter_set, self.single, from_directory, self._taken)
        marked = await asyncio.to_thread(_marked, merged.wanted.values())
        held = self.adapter_set
        self._say_in_force(
            None if held is None else AdapterSetInForce(generation=held["generation"], digest=adapter_set_digest(held))
        )
        wanted = self._lingering.keep({each.name: each for each in marked}, self._clock())
        self._want(replace(merged, wanted=wanted))

    def _follow(self, folders: Iterable[Path]) -> None:
        """Have the kernel tell of changes. In a thread: a network's file system may hold it until its server is back.

        Should that outlast `stop`, the kernel refuses: there is no instance to follow with any more.
        """
        self._events.follow(to_follow(self._roots, folders))

    @property
    def _roots(self) -> tuple[Path | None, ...]:
        """The folders that are followed from before the first look on."""
        set_file = self._places.set_file
        return (self._places.directory, set_file.parent if set_file else None)

    def _asked(self) -> Iterable[WantedAdapter]:
        held = self.adapter_set
        return (*(held["adapters"] if held else ()), *self.single)

    def _read_set_file(self) -> None:
        """Read the file when its content has changed. One that cannot be followed changes nothing."""
        if self._places.set_file is None:
            return
        try:
            with self._places.set_file.open("rb") as file:
                content = file.read(LARGEST_FILE)
        except OSError:
            return
        if content == self._file_content:
            return
        self._file_content = content
        try:
            self._from_file = parse_set(content)
        except InvalidSetError as error:
            _log.error(
                "the file of the adapter set cannot be followed", file=str(self._places.set_file), why=str(error)
            )


def _marked(wanted: Iterable[Wanted]) -> list[Wanted]:
    """Return the same with a mark on every folder that somebody else may write to."""
    return [
        replace(each, mark=look(Path(each.spec["path"])).mark) if "path" in each.spec and not each.mark else each
        for each in wanted
    ]
