"""Clients of a container's own streams, with a real shim and program."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.local.node import attach_shim, shim
from kaito.local.node.attachment import SOCKET, Attachment, Position, attach, claim_first, listen, written
from kaito.local.node.containers import ContainerStart
from kaito.local.node.inotify import FolderChanges
from kaito.local.node.records import Record, read_record
from kaito.local.node.streaming.inbox import Inbox
from kaito.local.node.streaming.remote_command import Size

TIMEOUT = 30.0


class Container:
    """A program under a shim, in the way a node starts it."""

    def __init__(self, folder: Path, script: str, **how: bool) -> None:
        (folder / "root").mkdir()
        self.folder = folder
        self.record = Record("u", "main", 0, **how)
        start = ContainerStart(self.record, ["sh", "-c", script], dict(os.environ), str(folder), 1.0)
        with listen(folder) as listener:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", shim.__file__],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True,
            )  # fmt: skip
            document = start.wire(folder, listener.fileno())
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(document)
        self.process.stdin.close()
        self.process.stdout.read()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(TIMEOUT)

    async def client(self, *, replay: bool = False) -> Attachment:
        return await attach(self.folder, self.record, replay=replay)

    async def logged(self, words: bytes) -> None:
        async with asyncio.timeout(TIMEOUT), FolderChanges(self.folder) as changes:
            while words not in (self.folder / "log").read_bytes():
                await changes.wait()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    containers = []

    def start(script: str, **how: bool) -> Container:
        folder = tmp_path / ("deep" * 20) / str(len(containers))
        folder.mkdir(parents=True)
        containers.append(Container(folder, script, **how))
        return containers[-1]

    yield start
    for container in containers:
        container.stop()


async def until(inbox: Inbox, words: bytes) -> bytes:
    data = b""
    async with asyncio.timeout(TIMEOUT):
        while words not in data:
            part = await inbox.read()
            assert part, f"ended after {data!r}"
            data += part
    return data


async def rest(inbox: Inbox) -> bytes:
    data = b""
    async with asyncio.timeout(TIMEOUT):
        while part := await inbox.read():
            data += part
    return data


async def test_the_first_client_gets_what_was_written_before_it_came(started: Any) -> None:
    container = started("echo one; echo bad >&2; printf two; read line; echo $line", stdin=True, stdin_once=True)
    await container.logged(b"bad")
    client = await container.client(replay=True)
    await until(client.stdout, b"one\ntwo")
    await client.stdin.write(b"three\n")
    assert await rest(client.stdout) == b"three\n"
    assert await rest(client.stderr) == b"bad\n"
    assert (await client.ended())["status"] == "Success"
    await client.close()


async def test_a_client_without_replay_gets_what_comes(started: Any) -> None:
    container = started("echo before; printf half; read line; echo $line", stdin=True)
    await container.logged(b"before")
    client = await container.client()
    await client.stdin.write(b"after\n")
    assert await rest(client.stdout) == b"after\n"
    await client.close()


async def test_a_program_that_has_ended_is_replayed_from_its_log_alone(started: Any) -> None:
    container = started("echo out; echo err >&2; printf unended", stdin=True)
    container.process.wait(TIMEOUT)
    client = await container.client(replay=True)
    assert await rest(client.stdout) == b"out\nunended\n"
    assert await rest(client.stderr) == b"err\n"
    await client.close()
    with pytest.raises(ConnectionRefusedError):
        await container.client()


async def test_of_all_clients_one_is_the_first(tmp_path: Path) -> None:
    assert [claim_first(tmp_path) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("how", ["end_input", "close"])
async def test_with_stdin_once_the_first_clients_end_is_the_inputs(started: Any, how: str) -> None:
    container = started("wc -c", stdin=True, stdin_once=True)
    client = await container.client()
    await client.stdin.write(b"x" * 300_000)
    await getattr(client, how)()
    await container.logged(b"300000")
    await client.close()


async def test_without_stdin_once_the_input_stays_open_for_the_next_client(started: Any) -> None:
    container = started("while read line; do echo got $line; done; echo over", stdin=True)
    for word in (b"one", b"two"):
        client = await container.client()
        await client.stdin.write(word + b"\n")
        await until(client.stdout, b"got " + word)
        await client.end_input()
        await client.close()
    record = read_record(container.folder)
    assert record is not None
    assert record.running


async def test_a_container_without_stdin_has_none(started: Any) -> None:
    container = started("cat; echo over; exec sleep 1000")
    await container.logged(b"over")
    client = await container.client()
    assert client.stdin is None
    await client.close()


async def test_input_that_the_program_never_reads_keeps_no_client(started: Any) -> None:
    container = started("exec sleep 1000", stdin=True)
    client = await container.client()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await client.stdin.write(bytes(16 << 20))
    async with asyncio.timeout(TIMEOUT):
        await client.close()


async def test_a_terminal_has_the_clients_size_and_ctrl_d_ends_its_input(started: Any) -> None:
    script = "stty -echo; echo ready; read line; stty size; cat; echo over"
    container = started(script, stdin=True, stdin_once=True, tty=True)
    client = await container.client(replay=True)
    await until(client.stdout, b"ready\r\n")
    client.resize(Size(columns=101, rows=33))
    await client.stdin.write(b"\n")
    await until(client.stdout, b"33 101\r\n")
    await client.end_input()
    assert await rest(client.stdout) == b"over\r\n"
    await client.close()


async def test_several_clients_all_see_the_output(started: Any) -> None:
    container = started("read line; echo said $line", stdin=True)
    clients = [await container.client(replay=True) for _ in range(3)]
    await clients[1].stdin.write(b"hello\n")
    assert [await rest(client.stdout) for client in clients] == [b"said hello\n"] * 3
    for client in clients:
        await client.close()


async def test_3_mb_reach_a_client_and_the_log_unharmed(started: Any) -> None:
    container = started("read line; seq 400000", stdin=True)
    client = await container.client()
    await client.stdin.write(b"\n")
    lines = (await rest(client.stdout)).splitlines()
    assert (len(lines), lines[-1]) == (400_000, b"400000")
    await client.close()


def test_a_log_is_replayed_over_its_rotation_up_to_a_position(tmp_path: Path) -> None:
    log = shim.LogFile(str(tmp_path / "log"))
    log.feed("stdout", b"first\n")
    (tmp_path / "log").rename(tmp_path / "log.1")
    log = shim.LogFile(str(tmp_path / "log"))
    log.feed("stderr", b"second\n")
    position = Position((tmp_path / "log").stat().st_ino, log.size)
    log.feed("stdout", b"third\n")
    assert list(written(tmp_path, position)) == [("stdout", b"first\n"), ("stderr", b"second\n")]
    assert list(written(tmp_path, Position((tmp_path / "log.1").stat().st_ino, 10**6))) == [("stdout", b"first\n")]
    assert len(list(written(tmp_path, None))) == 3


def test_a_client_that_reads_nothing_holds_the_program_up_for_a_while_and_is_then_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(attach_shim.time, "monotonic", lambda: now[0])
    sessions = attach_shim.Sessions(shim.LogFile(str(tmp_path / "log")), -1, terminal=False, once=False)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / SOCKET))
        listener.listen()
        client.connect(str(tmp_path / SOCKET))
        sessions.accept(listener.fileno())
        now[0] += 1000
        while not sessions.held_up():
            sessions.output("stdout", bytes(65536))
        now[0] += attach_shim.STALL_SECONDS - 1
        assert sessions.held_up()
        client.recv(65536)
        for fd, events in sessions.interests().items():
            sessions.ready(fd, events)
        sessions.output("stdout", bytes(attach_shim.BUFFER))
        now[0] += 2
        assert sessions.held_up()
        now[0] += attach_shim.STALL_SECONDS
        assert not sessions.held_up()
        assert not sessions.sessions


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300))), st.integers(1, 64))
def test_frames_are_the_same_however_they_are_cut(sent: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(attach_shim.frame(kind, payload) for kind, payload in sent)
    session, received = attach_shim.Session(-1, b""), []
    for start in range(0, len(data), size):
        session.received += data[start : start + size]
        received += session.frames()
    assert received == sent
    assert not session.received
