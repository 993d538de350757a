"""One file by HTTP: gone on with where it broke, checked while nobody has used it, with an end to waiting."""

import asyncio
import random
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.answers import refused
from kaito.runtime.adapters.sources.limits import Patience, Progress, TransientError
from kaito.runtime.adapters.sources.partial import PartialFile, disk_error, partial_file, remove_unused

Request = Callable[[Mapping[str, str]], AbstractAsyncContextManager[aiohttp.ClientResponse]]
"""Asks for the file, with some more headers."""

_CHUNK = 1 << 20
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@dataclass(frozen=True)
class Item:
    """One file to get. Sizes in bytes."""

    what: str
    """For messages: neither a secret nor a query is in it."""
    name: str
    """Its name in the folder of unfinished downloads, the same after a restart."""
    request: Request
    largest: int
    """More is refused."""
    digest: str = ""
    """`sha256:…` or `sha512:…`, where the source promises one."""


async def download(
    item: Item,
    folder: Path,
    patience: Patience,
    came: Progress,
    use: Callable[[Path], None],
    *,
    random_fraction: Callable[[], float] = random.random,
) -> None:
    """Get the whole file, call `use` with its path in a thread, and remove it.

    `came` is told the bytes so far and all of them, 0 while unknown.
    What breaks is gone on with a few times; after that the file stays for the next call, and so does one with a digest
    when `use` fails for a reason that passes, like a full disk. Raises AdapterError, and whatever `use` raises.
    """
    with partial_file(folder, item.name) as partial:
        for attempt in range(1, patience.attempts + 1):
            try:
                await _go_on(item, partial, patience, came)
                break
            except TransientError:
                if attempt == patience.attempts:
                    raise
            await patience.sleep(patience.pause * 2 ** (attempt - 1) * (0.5 + random_fraction()))
        needed_again = False
        try:
            await _used(use, partial.path)
        except AdapterError as error:
            needed_again = error.passes and bool(item.digest)
            raise
        finally:
            if not needed_again:
                partial.remove()


async def _used(use: Callable[[Path], None], path: Path) -> None:
    """Call `use` in a thread. Cancelled, it is over when the thread is: what both work on is taken away then."""
    using = asyncio.ensure_future(asyncio.to_thread(use, path))
    try:
        await asyncio.shield(using)
    except asyncio.CancelledError:
        await asyncio.wait([using])
        raise


async def _go_on(item: Item, partial: PartialFile, patience: Patience, came: Progress) -> None:
    """Ask for what is missing and take it. Raises TransientError where that broke, else AdapterError."""
    if not (item.digest and partial.size and await _matches(item, partial)):
        async with item.request(_missing(item, partial)) as response:
            await _receive(item, partial, response, patience, came)
        if item.digest and not await _matches(item, partial):
            partial.begin()
            raise TransientError("DigestMismatch", f"{item.what} came with another content than its digest.")
    came(partial.size, partial.size)


async def _receive(
    item: Item, partial: PartialFile, response: aiohttp.ClientResponse, patience: Patience, came: Progress
) -> None:
    total = _take_up(item, partial, response)
    looked, before = patience.clock(), partial.size
    async for chunk in response.content.iter_chunked(_CHUNK):
        if partial.size + len(chunk) > item.largest:
            partial.remove()
            raise AdapterError("TooLarge", f"{item.what} is larger than {item.largest} bytes.")
        try:
            partial.append(chunk)
        except OSError as error:
            raise disk_error(error) from None
        came(partial.size, total)
        if (seconds := patience.clock() - looked) >= patience.stall:
            if partial.size - before < patience.slowest * seconds:
                raise TransientError("SourceUnreachable", f"{item.what} comes drop by drop.")
            looked, before = patience.clock(), partial.size


def _missing(item: Item, partial: PartialFile) -> dict[str, str]:
    """Return the headers that ask for the rest; without a digest only of the version that is here."""
    version = partial.version
    if not partial.size or not (item.digest or version):
        return {}
    return {"Range": f"bytes={partial.size}-"} | ({} if item.digest else {"If-Range": version})


def _take_up(item: Item, partial: PartialFile, response: aiohttp.ClientResponse) -> int:
    """Look at the head of an answer: it goes on, or starts anew. Return the size of the whole, 0 where it is not said.

    Raises AdapterError for any other.
    """
    if response.status == 206:
        match = _RANGE.match(response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != partial.size:
            partial.begin()
            raise TransientError("SourceUnreachable", f"{item.what}: the server sent another part than asked.")
    elif response.status == 200:
        version = response.headers.get("ETag", "")
        partial.begin("" if version.startswith("W/") else version)
    elif response.status == 416:  # it has become shorter, or what is here is more than there is
        partial.begin()
        raise TransientError("SourceUnreachable", f"{item.what}: the server has no such part.")
    else:
        raise refused(response.status, item.what)
    coming = response.content_length or 0
    _check_size(item, partial, coming)
    return partial.size + coming if coming else 0


def _check_size(item: Item, partial: PartialFile, coming: int) -> None:
    if partial.size + coming > item.largest:
        raise AdapterError("TooLarge", f"{item.what} is larger than {item.largest} bytes.")
    folder = partial.path.parent
    if coming > shutil.disk_usage(folder).free:
        remove_unused(folder)
    if coming > shutil.disk_usage(folder).free:
        raise AdapterError("DiskFull", f"{item.what} needs {coming} bytes, and the disk has fewer.", passes=True)


async def _matches(item: Item, partial: PartialFile) -> bool:
    """Tell whether what is here is what was promised. It is read again, so that a resumed part is checked too."""
    return await asyncio.to_thread(partial.digest, item.digest.partition(":")[0]) == item.digest
