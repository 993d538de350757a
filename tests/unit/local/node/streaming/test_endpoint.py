"""The streaming paths of the kubelet endpoint, over HTTP, with programs in memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from kaito.core.objects import Key, Object
from kaito.local.node.streaming import spdy_command
from kaito.local.node.streaming import spdy_frames as frames
from kaito.local.node.streaming.endpoint import Refusal, Streaming
from kaito.local.node.streaming.inbox import Inbox
from kaito.local.node.streaming.remote_command import Size, Wanted, exit_status
from kaito.local.node.streaming.spdy_frames import FrameReader, FrameWriter

EXEC = "/exec/default/web/main?command=cat&input=1&output=1&error=1"
TIMEOUT = 10.0


class Cat:
    """A program that says everything again; it ends with its input, with exit code 3."""

    def __init__(self) -> None:
        self.stdin, self.stdout, self.stderr = self, Inbox(), Inbox()
        self.sizes: list[Size] = []
        self.over = asyncio.Event()
        self.closed = asyncio.Event()

    @property
    def streams(self) -> "Cat":
        return self

    async def write(self, data: bytes) -> None:
        await self.stdout.take(data)

    async def end_input(self) -> None:
        await self.stderr.take(b"over")
        self.stdout.end()
        self.stderr.end()
        self.over.set()

    def resize(self, size: Size) -> None:
        self.sizes.append(size)

    async def ended(self) -> Object:
        await self.over.wait()
        return exit_status(3)

    async def close(self) -> None:
        self.closed.set()


class Programs:
    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.cat = Cat()

    async def execute(self, pod: Key, container: str, command: list[str], wanted: Wanted) -> Cat:
        return await self.attach(pod, container, wanted, command)

    async def attach(self, pod: Key, container: str, wanted: Wanted, command: list[str] | None = None) -> Cat:
        if container == "ended":
            raise Refusal(400, "the container has ended")
        self.asked.append((pod, container, command, wanted))
        return self.cat

    def address(self, pod: Key) -> str:
        raise Refusal(404, f"no pod {pod.name}")


@pytest.fixture
async def programs() -> Programs:
    return Programs()


@pytest.fixture
async def client(programs: Programs) -> AsyncIterator[TestClient[Any, Any]]:
    application = web.Application()
    Streaming(programs).add_routes(application.router)
    async with TestClient(TestServer(application)) as made:
        yield made


WEBSOCKET = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
}  # fmt: skip
SPDY = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}


@pytest.mark.parametrize(
    ("path", "headers", "code", "text"),
    [
        (EXEC, {}, 400, "Upgrade request required"),
        ("/exec/default/web/main?output=1", SPDY, 400, "you must specify at least one command for the container"),
        ("/exec/default/web/main?command=a", SPDY, 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("/attach/default/web/ended?output=1", SPDY, 400, "the container has ended"),
        ("/attach/default/web/ended?output=1", WEBSOCKET, 400, "the container has ended"),
        ("/portForward/default/web", {**SPDY, "X-Stream-Protocol-Version": "portforward.k8s.io"}, 404, "no pod web"),
        ("/portForward/default/web", SPDY, 403, "client supports ['v4.channel.k8s.io'], server ['portforward.k8s.io']"),
        (EXEC, {**SPDY, "X-Stream-Protocol-Version": "v9"}, 403, "unable to negotiate protocol"),
        (EXEC, {**WEBSOCKET, "Sec-WebSocket-Protocol": "base64.channel.k8s.io"}, 400, "unable to upgrade"),
    ],
)
async def test_what_cannot_be_served_is_refused_before_the_upgrade(
    client: TestClient[Any, Any], path: str, headers: dict[str, str], code: int, text: str
) -> None:
    async with client.get(path, headers=headers) as answer:
        assert answer.status == code
        assert text in await answer.text()
        if code == 403:
            assert answer.headers.getall("X-Accepted-Stream-Protocol-Versions")


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_a_websocket_carries_the_channels_and_the_status(
    client: TestClient[Any, Any], programs: Programs, protocol: str
) -> None:
    async with client.ws_connect(EXEC, protocols=[protocol]) as socket:
        assert socket.protocol == protocol
        await socket.send_bytes(b"\0hello")
        assert await socket.receive_bytes(timeout=TIMEOUT) == b"\1hello"
        await socket.send_bytes(b"\xff\0")
        if protocol.startswith("v4"):  # which has no way to say that the input has ended
            await programs.cat.end_input()
        assert await socket.receive_bytes(timeout=TIMEOUT) == b"\2over"
        status = await socket.receive_bytes(timeout=TIMEOUT)
        assert status[0] == 3
        assert msgspec.json.decode(status[1:]) == exit_status(3)
        assert (await socket.receive(timeout=TIMEOUT)).type is aiohttp.WSMsgType.CLOSE
    wanted = Wanted(stdin=True, stdout=True, stderr=True, tty=False)
    assert programs.asked == [(Key("default", "web"), "main", ["cat"], wanted)]
    await programs.cat.closed.wait()


async def test_a_terminals_sizes_come_on_a_channel_of_their_own(
    client: TestClient[Any, Any], programs: Programs
) -> None:
    path = "/attach/default/web/main?input=1&output=1&tty=1"
    async with client.ws_connect(path, protocols=["v5.channel.k8s.io"]) as socket:
        await socket.send_bytes(b'\4{"Width":100,"Height":')
        await socket.send_bytes(b'\x0440}\n{"Width":0,"Height":1}nonsense')
        await socket.send_bytes(b"\0.")
        assert await socket.receive_bytes(timeout=TIMEOUT) == b"\1."
        await socket.send_bytes(b"\xff\0")
        await socket.receive_bytes(timeout=TIMEOUT)
    assert programs.cat.sizes == [Size(100, 40)]


async def test_a_client_that_goes_lets_the_program_be_closed(client: TestClient[Any, Any], programs: Programs) -> None:
    async with client.ws_connect(EXEC, protocols=["v5.channel.k8s.io"]) as socket:
        await socket.send_bytes(b"\0hello")
    async with asyncio.timeout(TIMEOUT):
        await programs.cat.closed.wait()


class SpdyClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = ""
        self._frames = FrameReader()
        self._encode = FrameWriter().encode

    @classmethod
    async def open(cls, client: TestClient[Any, Any], path: str) -> "SpdyClient":
        made = cls(*await asyncio.open_connection("127.0.0.1", client.server.port))
        lines = [f"POST {path} HTTP/1.1", "Host: node", *(f"{name}: {value}" for name, value in SPDY.items())]
        made.writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(TIMEOUT):
            made.head = (await made.reader.readuntil(b"\r\n\r\n")).decode()
        return made

    def send(self, frame: frames.Frame) -> None:
        self.writer.write(self._encode(frame))

    async def rest(self) -> list[frames.Frame]:
        """All frames to the end of the connection."""
        async with asyncio.timeout(TIMEOUT):
            return list(self._frames.feed(await self.reader.read()))


async def test_spdy_carries_the_channels_as_streams(client: TestClient[Any, Any], programs: Programs) -> None:
    spdy = await SpdyClient.open(client, EXEC)
    assert spdy.head.startswith("HTTP/1.1 101 ")
    assert "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n" in spdy.head
    for number, kind in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")):
        spdy.send(frames.SynStream(number, {"streamType": kind}))
    spdy.send(frames.Data(3, b"hello", fin=True))
    received = await spdy.rest()
    data = dict.fromkeys((1, 3, 5, 7), b"")
    for frame in received:
        if isinstance(frame, frames.Data):
            data[frame.stream] += frame.data
    assert (data[5], data[7]) == (b"hello", b"over")
    assert msgspec.json.decode(data[1]) == exit_status(3)
    assert {frame.stream for frame in received if isinstance(frame, frames.Data) and frame.fin} == set(data)
    await programs.cat.closed.wait()


async def test_a_spdy_client_that_does_not_open_its_streams_is_not_waited_for(
    client: TestClient[Any, Any], programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spdy_command, "CREATION_SECONDS", 0.05)
    spdy = await SpdyClient.open(client, EXEC)
    spdy.send(frames.SynStream(1, {"streamType": "error"}))
    data = b"".join(frame.data for frame in await spdy.rest() if isinstance(frame, frames.Data))
    assert "timed out" in msgspec.json.decode(data)["message"]
    await programs.cat.closed.wait()
