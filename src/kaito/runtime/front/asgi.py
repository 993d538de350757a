"""The little of ASGI that is needed to ask an application in this process, and to answer for one."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientGoneError(Exception):
    """The client went away before it had sent its request."""


@dataclass
class Answer:
    """What an application answered."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    def json(self) -> Any:
        """Return the body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def header(scope: Scope, name: bytes) -> bytes:
    """Return a request header by its lower-case name; empty when it is not there."""
    return next((value for key, value in scope["headers"] if key == name), b"")


async def read_body(receive: Receive) -> bytes:
    """Read a request's body, however long: the gate has bounded it. Raises ClientGoneError."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def send_json(send: Send, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
    """Answer with JSON."""
    content = json.dumps(body, ensure_ascii=False).encode()
    pairs = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    pairs += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})


async def ask(
    application: Application,
    scope: Scope,
    method: str,
    path: str,
    body: Any = None,
    *,
    receive: Receive | None = None,
) -> Answer:
    """Ask an application in this process. Costs no connection, no copy and no second event loop.

    `scope` gives the connection and its headers (credentials, request id); method, path and JSON body are the new
    request's. With `receive`, the application notices when the client of the outer request goes away.
    """
    answer = Answer()

    async def take(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    await pass_on(application, scope, method, path, body, receive=receive, send=take)
    return answer


async def pass_on(
    application: Application,
    scope: Scope,
    method: str,
    path: str,
    body: Any,
    *,
    receive: Receive | None,
    send: Send,
) -> None:
    """Ask an application in this process, as `ask` does; what it answers goes to `send`, message by message."""
    content = b"" if body is None else json.dumps(body).encode()
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name not in {b"content-length", b"content-type", b"accept-encoding"}
    ]
    inner: Scope = {
        **scope,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*kept, (b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())],
        "state": dict(scope.get("state", {})),
    }
    sent = False

    async def inner_receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": content, "more_body": False}
        if receive is not None:
            return await receive()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    await application(inner, inner_receive, send)


def own_scope(host: str, port: int) -> Scope:
    """Return the scope of a request that this process makes itself, such as the warm-up."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "headers": [(b"host", f"{host}:{port}".encode())],
        "client": (host, 0),
        "server": (host, port),
    }
