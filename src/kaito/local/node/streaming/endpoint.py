"""The kubelet endpoint's streaming paths: exec, attach and port-forward of this node's pods."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from aiohttp import web

from kaito.core.objects import Key, Object
from kaito.core.upgrade import TakenOver, switching_protocols, take_over
from kaito.local.node.streaming import spdy_command, websocket
from kaito.local.node.streaming.copying import Streams, serve
from kaito.local.node.streaming.port_forward import PROTOCOL as PORT_FORWARD_PROTOCOL
from kaito.local.node.streaming.port_forward import forward_ports
from kaito.local.node.streaming.remote_command import Wanted, failure_status, wanted_streams

SPDY = "SPDY/3.1"
PROTOCOL_HEADER = "X-Stream-Protocol-Version"


class Running(Protocol):
    """A process whose streams a client gets."""

    @property
    def streams(self) -> Streams:
        """Its ends of them."""

    async def ended(self) -> Object:
        """Return its `metav1.Status` when it has ended."""

    async def close(self) -> None:
        """Let go of it."""


class Programs(Protocol):
    """What a node offers to stream. Each raises `Refusal` when there is no such pod or container that runs."""

    async def execute(self, pod: Key, container: str, command: list[str], wanted: Wanted) -> Running:
        """Start a command in a container."""

    async def attach(self, pod: Key, container: str, wanted: Wanted) -> Running:
        """Connect to a container's own program."""

    def address(self, pod: Key) -> str:
        """Return where the ports of a pod are."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure
    """An HTTP status and a sentence for the client."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


Command = spdy_command.SpdyCommand | websocket.WebSocketCommand
Begin = Callable[[Wanted], Awaitable[Running]]


class Streaming:
    """Answers the streaming requests of a kubelet endpoint."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths, as kube-apiserver asks for them."""
        for method in ("GET", "POST"):
            router.add_route(method, "/exec/{namespace}/{pod}/{container}", self._exec)
            router.add_route(method, "/attach/{namespace}/{pod}/{container}", self._attach)
            router.add_route(method, "/portForward/{namespace}/{pod}", self._port_forward)

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        command = request.query.getall("command", [])
        if not command:
            return web.Response(status=400, text="you must specify at least one command for the container")
        container = request.match_info["container"]
        return await self._command(
            request, lambda wanted: self._programs.execute(_pod(request), container, command, wanted)
        )

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        container = request.match_info["container"]
        return await self._command(request, lambda wanted: self._programs.attach(_pod(request), container, wanted))

    async def _command(self, request: web.Request, begin: Begin) -> web.StreamResponse:
        """Begin first, so that a refusal is an HTTP answer; the upgrade follows."""
        try:
            wanted = wanted_streams(request.query)
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        kind, protocol = _negotiate(request, spdy_command.PROTOCOLS, websocket.COMMAND_PROTOCOLS)
        try:
            running = await begin(wanted)
        except Refusal as refusal:
            return web.Response(status=refusal.code, text=str(refusal))
        try:
            if kind == "websocket":
                socket = await websocket.accept_websocket(request, websocket.COMMAND_PROTOCOLS)
                async with websocket.WebSocketCommand(socket, wanted) as command:
                    await _converse(command, running)
                return socket
            async with (
                take_over(request, switching_protocols({"Upgrade": SPDY, PROTOCOL_HEADER: protocol})) as connection,
                spdy_command.SpdyCommand(connection, protocol, wanted) as spdy,
            ):
                await _converse(spdy, running)
            return TakenOver()
        finally:
            await running.close()

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        kind, protocol = _negotiate(request, (PORT_FORWARD_PROTOCOL,), (websocket.TUNNEL_PROTOCOL,))
        try:
            address = self._programs.address(_pod(request))
        except Refusal as refusal:
            return web.Response(status=refusal.code, text=str(refusal))
        if kind == "websocket":
            socket = await websocket.accept_websocket(request, (websocket.TUNNEL_PROTOCOL,))
            await forward_ports(websocket.WebSocketTunnel(socket), _pod(request).name, address)
            await socket.close()
            return socket
        head = switching_protocols({"Upgrade": SPDY, PROTOCOL_HEADER: protocol})
        async with take_over(request, head) as connection:
            await forward_ports(connection, _pod(request).name, address)
        return TakenOver()


async def _converse(command: Command, running: Running) -> None:
    """Serve a client until its command ends, and tell it how; or until it goes."""
    try:
        channels = await command.channels()
    except TimeoutError:
        await command.finish(failure_status("timed out waiting for the client to open its streams"))
        return
    except ConnectionResetError:
        return
    status = await serve(channels, running.streams, running.ended(), command.gone)
    if status is not None:
        await command.finish(status)


def _pod(request: web.Request) -> Key:
    return Key(request.match_info["namespace"], request.match_info["pod"])


def _negotiate(request: web.Request, spdy: Sequence[str], sockets: Sequence[str]) -> tuple[str, str]:
    """Return how the request is to be upgraded, and the stream protocol. Raises HTTPBadRequest or HTTPForbidden."""
    upgrade = request.headers.get("Upgrade", "").lower()
    if upgrade == "websocket":
        offered = _listed(request, "Sec-WebSocket-Protocol")
        accepted = next((protocol for protocol in sockets if protocol in offered), None)
        if accepted is None:
            raise web.HTTPBadRequest(text=f"unable to upgrade: none of {offered} is served; served: {list(sockets)}")
        return "websocket", accepted
    if upgrade != SPDY.lower():
        raise web.HTTPBadRequest(text="Upgrade request required")
    offered = _listed(request, PROTOCOL_HEADER)
    accepted = next((protocol for protocol in offered if protocol in spdy), None)
    if accepted is None:
        raise web.HTTPForbidden(
            text=f"unable to upgrade: unable to negotiate protocol: client supports {offered}, server {list(spdy)}",
            headers=[("X-Accepted-Stream-Protocol-Versions", protocol) for protocol in spdy],
        )
    return "spdy", accepted


def _listed(request: web.Request, header: str) -> list[str]:
    lines = request.headers.getall(header, [])
    return [each.strip() for line in lines for each in line.split(",") if each.strip()]
