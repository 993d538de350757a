"""Reading container logs: CRI lines back into what the program wrote, with the options of `kubectl logs`."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from kaito.core.clock import parse_timestamp
from kaito.local.node.inotify import FolderChanges

CHUNK = 256 * 1024
"""Bytes read at a time."""


@dataclass(frozen=True)
class LogOptions:
    """`PodLogOptions`: what of a log is wanted. `since` is a moment, `tail` a number of lines, `limit` bytes."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: datetime | None = None
    tail: int | None = None
    limit: int | None = None


def parse_log_options(query: Mapping[str, str], now: datetime) -> LogOptions:
    """Read the query of a log request; raises ValueError for a value that is none."""

    def flag(name: str) -> bool:
        return query.get(name, "").lower() in ("1", "t", "true")

    def number(name: str) -> int | None:
        text = query.get(name)
        value = int(text) if text else None
        if value is not None and value < 0:
            raise ValueError(f"{name} must not be negative")
        return value

    seconds = number("sinceSeconds")
    since = now - timedelta(seconds=seconds) if seconds is not None else None
    if query.get("sinceTime"):
        since = parse_timestamp(query["sinceTime"])
    return LogOptions(
        flag("follow"), flag("previous"), flag("timestamps"), since, number("tailLines"), number("limitBytes")
    )


def render(line: bytes, options: LogOptions) -> bytes:
    """Return what one CRI line becomes, empty when it is not wanted (too old, or broken)."""
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return b""
    moment, _, tag, text = parts
    if options.since is not None and parse_timestamp(moment[:26].decode() + "Z") < options.since:
        return b""
    prefix = moment + b" " if options.timestamps else b""
    return prefix + text + (b"" if tag == b"P" else b"\n")


def tail_offset(path: Path, lines: int) -> int:
    """Return where the last `lines` lines of a file begin; read from its end, so that a long log costs nothing."""
    size = path.stat().st_size
    if lines == 0:
        return size
    with path.open("rb") as file:
        position, found = size, 0
        while position > 0:
            step = min(CHUNK, position)
            position -= step
            file.seek(position)
            block = file.read(step)
            for index in range(len(block) - 1, -1, -1):
                if block[index] == 0x0A and position + index != size - 1:
                    found += 1
                    if found == lines:
                        return position + index + 1
    return 0


async def read_log(folder: Path, options: LogOptions, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield a run's log from its folder. With `follow`, go on, over rotations, until `ended()` and all is read."""
    left = options.limit
    async for block in _blocks(folder, options, ended):
        if left is not None:
            block = block[:left]
            left -= len(block)
        if block:
            yield block
        if left == 0:
            return


async def _blocks(folder: Path, options: LogOptions, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    path = folder / "log"
    offset = tail_offset(path, options.tail) if options.tail is not None and path.exists() else 0
    if not options.follow:
        for text, _ in _read(path, offset, options):
            yield text
        return
    async with FolderChanges(folder) as changes:
        reader = _Reader(path, offset)
        while True:
            over = ended()
            for block in reader.read(options):
                yield block
            if over:
                return
            await changes.wait()


def _read(path: Path, offset: int, options: LogOptions) -> Iterator[tuple[bytes, int]]:
    """Yield (rendered text, offset after it) of the whole lines from `offset` on."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        rest = b""
        while data := file.read(CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            offset += sum(len(line) + 1 for line in lines)
            yield _join(lines, options), offset


def _join(lines: Iterable[bytes], options: LogOptions) -> bytes:
    return b"".join(render(line, options) for line in lines)


class _Reader:
    """Reads on in a file that may be rotated away."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._inode = path.stat().st_ino if path.exists() else 0

    def read(self, options: LogOptions) -> Iterator[bytes]:
        if not self._path.exists():
            return
        inode = self._path.stat().st_ino
        if inode != self._inode:
            rotated = self._path.with_name("log.1")
            if self._inode and rotated.exists() and rotated.stat().st_ino == self._inode:
                yield from (block for block, _ in _read(rotated, self._offset, options))
            self._inode, self._offset = inode, 0
        for block, offset in _read(self._path, self._offset, options):
            self._offset = offset
            if block:
                yield block
