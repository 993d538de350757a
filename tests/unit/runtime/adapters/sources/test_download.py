"""One file by HTTP, from a server that breaks off: it is gone on with, checked, and given up in time."""

import asyncio
import fcntl
import hashlib
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from rude_server import RudeServer, Trouble, cut, stated, status, whole
from yarl import URL

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.download import Item, download
from kaito.runtime.adapters.sources.limits import Patience
from kaito.runtime.adapters.sources.partial import partial_file, remove_abandoned
from kaito.runtime.adapters.sources.web import Web

CONTENT = bytes(range(256)) * 400
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
async def web(patience: Patience) -> AsyncIterator[Web]:
    async with Web.open(patience, private=True) as web:
        yield web


class Client:
    """Downloads `/file` of the server, and remembers what came."""

    def __init__(self, web: Web, server: RudeServer, folder: Path, patience: Patience) -> None:
        self.web, self.server, self.folder, self.patience = web, server, folder, patience
        self.got: list[bytes] = []
        self.progress: list[tuple[int, int]] = []
        self.some_came = asyncio.Event()
        server.files["/file"] = CONTENT

    async def get(self, digest: str = DIGEST, largest: int = len(CONTENT)) -> bytes:
        def request(headers: Mapping[str, str]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
            return self.web.request(URL(f"{self.server.url}/file"), headers)

        item = Item("the file", "file", request, largest, digest)
        await download(item, self.folder, self.patience, self._came, lambda path: self.got.append(path.read_bytes()))
        return self.got[-1]

    def _came(self, done: int, total: int) -> None:
        self.progress.append((done, total))
        self.some_came.set()

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


class Refused(list[bytes]):
    """Refuses the first content."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._errors = [error]

    def append(self, content: bytes, /) -> None:
        if self._errors:
            raise self._errors.pop()
        super().append(content)


class Slow(list[bytes]):
    """Takes content when it is let."""

    def __init__(self, begun: threading.Event, go_on: threading.Event) -> None:
        super().__init__()
        self._begun, self._go_on = begun, go_on

    def append(self, content: bytes, /) -> None:
        self._begun.set()
        self._go_on.wait(10)
        super().append(content)


@pytest.fixture
def client(web: Web, server: RudeServer, tmp_path: Path, patience: Patience) -> Client:
    return Client(web, server, tmp_path / "downloads", patience)


@pytest.mark.parametrize("digest", [DIGEST, ""])
@pytest.mark.parametrize("silent", [False, True])
async def test_a_broken_download_goes_on_where_it_broke(
    client: Client, server: RudeServer, digest: str, silent: bool
) -> None:
    server.troubles["/file"] = [cut(30_000, silent=silent), cut(20_000, silent=silent)]
    assert await client.get(digest) == CONTENT
    assert server.ranges("/file") == ["", "bytes=30000-", "bytes=50000-"]
    assert client.progress[-1] == (len(CONTENT), len(CONTENT))
    assert client.left == []


async def test_another_process_goes_on_too(client: Client, server: RudeServer) -> None:
    server.troubles["/file"] = [cut(10_000)] * 3
    with pytest.raises(AdapterError) as caught:
        await client.get()
    assert (caught.value.reason, caught.value.passes) == ("SourceUnreachable", True)
    assert await client.get() == CONTENT
    assert server.ranges("/file")[-1] == "bytes=30000-"


async def test_what_came_whole_before_is_not_asked_for_again(client: Client, server: RudeServer) -> None:
    client.folder.mkdir()
    (client.folder / "file.part").write_bytes(CONTENT)
    assert await client.get() == CONTENT
    assert not server.seen


async def test_what_came_whole_is_not_asked_for_again_when_there_was_no_room_for_what_is_in_it(
    client: Client, server: RudeServer
) -> None:
    client.got = Refused(AdapterError("DiskFull", "full.", passes=True))
    with pytest.raises(AdapterError, match="full"):
        await client.get()
    assert "file.part" in client.left
    assert await client.get() == CONTENT
    assert (len(server.seen), client.left) == (1, [])


@pytest.mark.parametrize(
    ("error", "digest"),
    [
        (AdapterError("ArchiveInvalid", "bad."), DIGEST),
        (AdapterError("DiskFull", "full.", passes=True), ""),  # whether it is whole could not be told
        (ValueError("broken"), DIGEST),
    ],
)
async def test_what_cannot_be_used_is_removed(client: Client, error: Exception, digest: str) -> None:
    client.got = Refused(error)
    with pytest.raises(type(error)):
        await client.get(digest)
    assert client.left == []


async def test_without_a_digest_only_the_same_version_is_gone_on_with(client: Client, server: RudeServer) -> None:
    server.troubles["/file"] = [cut(30_000)] * 3
    with pytest.raises(AdapterError):
        await client.get("")
    server.files["/file"] = CONTENT[::-1]
    assert await client.get("") == CONTENT[::-1]


async def test_without_a_version_it_starts_anew(client: Client, server: RudeServer) -> None:
    server.etags = False
    server.troubles["/file"] = [cut(30_000)]
    assert await client.get("") == CONTENT
    assert server.ranges("/file") == ["", ""]


@pytest.mark.parametrize(
    "trouble",
    [
        whole(CONTENT),  # ranges are not for this one
        status(416),
        whole(b"x" * 10, number=206, Content_Range="bytes 5-14/99"),
        whole(CONTENT[30_000:], number=206),
    ],
)
async def test_a_server_that_does_ranges_wrong_costs_no_more_than_a_new_start(
    client: Client, server: RudeServer, trouble: Trouble
) -> None:
    server.troubles["/file"] = [cut(30_000), trouble]
    assert await client.get() == CONTENT


async def test_a_wrong_content_is_fetched_once_more(client: Client, server: RudeServer) -> None:
    server.troubles["/file"] = [whole(b"y" * len(CONTENT))]
    assert await client.get() == CONTENT


async def test_a_server_that_lies_on_is_named(client: Client, server: RudeServer) -> None:
    server.files["/file"] = b"y" * len(CONTENT)
    with pytest.raises(AdapterError, match="another content than its digest") as caught:
        await client.get()
    assert (caught.value.reason, caught.value.passes) == ("DigestMismatch", True)
    assert not client.got
    server.files["/file"] = CONTENT
    assert await client.get() == CONTENT


@pytest.mark.parametrize(
    ("number", "reason", "requests"),
    [
        (401, "SourceUnauthorized", 1),
        (403, "SourceUnauthorized", 1),
        (404, "SourceNotFound", 1),
        (410, "SourceNotFound", 1),
        (429, "SourceUnreachable", 1),
        (418, "SourceUnreachable", 1),
        (500, "SourceUnreachable", 3),
        (503, "SourceUnreachable", 3),
    ],
)
async def test_each_refusal_has_its_reason(
    client: Client, server: RudeServer, number: int, reason: str, requests: int
) -> None:
    server.troubles["/file"] = [status(number)] * 3
    with pytest.raises(AdapterError, match=str(number)) as caught:
        await client.get()
    assert (caught.value.reason, caught.value.passes) == (reason, True)
    assert len(server.seen) == requests


@pytest.mark.parametrize(
    ("trouble", "reason", "passes"),
    [
        (stated(1 << 60), "TooLarge", False),
        (whole(CONTENT + b"more"), "TooLarge", False),
    ],
)
async def test_more_than_is_taken_is_refused(
    client: Client, server: RudeServer, trouble: Trouble, reason: str, passes: bool
) -> None:
    server.troubles["/file"] = [trouble]
    with pytest.raises(AdapterError) as caught:
        await client.get()
    assert (caught.value.reason, caught.value.passes) == (reason, passes)
    assert not client.got


async def test_a_disk_without_room_is_known_before_the_first_byte(
    client: Client, server: RudeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(AdapterError) as caught:
        await client.get()
    assert (caught.value.reason, caught.value.passes) == ("DiskFull", True)


async def test_what_nobody_goes_on_with_gives_way_to_what_needs_its_room(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.folder.mkdir()
    for name in ("left.part", "left.etag"):
        (client.folder / name).touch()

    def usage(folder: Path) -> Any:
        return type("Usage", (), {"free": 1000 if (client.folder / "left.part").exists() else 10**9})

    monkeypatch.setattr("shutil.disk_usage", usage)
    with partial_file(client.folder, "other") as other:
        assert await client.get() == CONTENT
        assert client.left == [other.path.name]


@pytest.mark.parametrize(("seconds", "comes"), [(1.0, True), (1000.0, False)])
async def test_a_server_that_sends_drop_by_drop_is_given_up(client: Client, seconds: float, comes: bool) -> None:
    ticks = count(0, seconds)
    client.patience = replace(client.patience, attempts=1, stall=1.0, clock=lambda: next(ticks))
    if comes:
        assert await client.get() == CONTENT
    else:
        with pytest.raises(AdapterError, match="drop by drop") as caught:
            await client.get()
        assert caught.value.passes


async def test_two_that_get_the_same_do_not_disturb_each_other(client: Client) -> None:
    assert await asyncio.gather(client.get(), client.get(), client.get()) == [CONTENT] * 3
    assert client.left == []


async def test_a_server_that_is_not_there_is_told_by_its_name(client: Client, server: RudeServer) -> None:
    server.url = "http://127.0.0.1:1"
    with pytest.raises(AdapterError, match=r"127\.0\.0\.1:1 cannot be reached") as caught:
        await client.get()
    assert (caught.value.reason, caught.value.passes) == ("SourceUnreachable", True)


async def test_a_cancelled_download_is_gone_on_with(client: Client, server: RudeServer) -> None:
    server.troubles["/file"] = [cut(30_000, silent=True)]
    client.patience = Patience()
    task = asyncio.create_task(client.get())
    await client.some_came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await client.get() == CONTENT
    assert server.ranges("/file") == ["", "bytes=30000-"]


async def test_one_of_two_that_get_the_same_is_cancelled_and_the_other_is_not_disturbed(
    client: Client, server: RudeServer
) -> None:
    server.troubles["/file"] = [cut(30_000, silent=True)]
    client.patience = Patience()
    first = asyncio.create_task(client.get())
    await client.some_came.wait()
    second = asyncio.create_task(client.get())
    first.cancel()
    assert await second == CONTENT
    assert first.cancelled()


async def test_a_cancelled_download_is_not_over_before_who_uses_it_is(client: Client, tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    client.got = Slow(begun, go_on)
    task = asyncio.create_task(client.get())
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (client.got, client.left) == ([CONTENT], [])


def test_a_name_that_is_removed_while_it_is_opened_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, first = fcntl.flock, tmp_path / "x.part"

    def slow(file: Any, operation: int) -> None:
        first.unlink(missing_ok=True)  # who had it has just finished
        lock(file, operation)

    monkeypatch.setattr("fcntl.flock", slow)
    with partial_file(tmp_path, "x") as partial:
        partial.append(b"here")
        assert partial.path.read_bytes() == b"here"


def test_what_nobody_goes_on_with_is_removed_after_a_day(tmp_path: Path) -> None:
    for name in ("a.part", "a.etag"):
        (tmp_path / name).touch()
    (tmp_path / "hub-x").mkdir()
    now = (tmp_path / "a.part").stat().st_mtime
    remove_abandoned(tmp_path, now + 3600)
    assert len(list(tmp_path.iterdir())) == 3
    remove_abandoned(tmp_path, now + 25 * 3600)
    assert not list(tmp_path.iterdir())
