"""exec, attach and port-forward: the upgrade goes on to the kubelet of the pod's node, as do the bytes after it."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web
from multidict import CIMultiDict

from kaito.apiserver import status
from kaito.apiserver.pod_logs import container_of, kubelet_error, kubelet_url
from kaito.apiserver.store import Store
from kaito.core.objects import Key, Object
from kaito.core.upgrade import Connection, TakenOver, take_over

STREAMS = ("exec", "attach", "portforward")
_OPTIONS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
"""PodExecOptions and PodAttachOptions -> the kubelet's names. Source: registry/core/pod/strategy.go."""
_PASSED_ON = ("connection", "upgrade", "x-stream-protocol-version", "user-agent")
_CONNECT_SECONDS = 5.0
_HEAD_SECONDS = 60.0
_HEAD_BYTES = 1 << 16
_TEXT_BYTES = 1 << 14


class PodStreams:
    """Tunnels between clients and kubelets. The token file is read for each request, so that it may change."""

    def __init__(self, store: Store, token_file: Path | None) -> None:
        self._store = store
        self._token_file = token_file
        self._open: set[Connection] = set()

    def stop(self) -> None:
        """End every tunnel, so that their requests finish."""
        for connection in self._open:
            connection.abort()

    async def connect(self, request: web.BaseRequest, key: Key, name: str) -> web.StreamResponse:
        """Answer a request for the subresource `name`.

        Raises ApiError: 400 without an upgrade, for a container that does not exist or run and a pod without a node,
        404 for no such pod or node, 503 when the node does not answer.
        """
        pod = self._store.read("pods", key)
        if pod is None:
            raise status.not_found("", "pods", key.name)
        path = kubelet_path(pod, key, name, request)
        node = pod["spec"].get("nodeName")
        if not node:
            raise status.bad_request(f"pod {key.name} does not have a host assigned")
        base = kubelet_url(self._store.read("nodes", Key("", node)), node)
        if "upgrade" not in request.headers.get("Connection", "").lower():
            raise status.bad_request("Upgrade request required")
        kubelet = await _dial(base, node)
        try:
            await kubelet.write(await self._head(request, path, urlsplit(base).netloc))
            head, rest = await _answer(kubelet, node)
            async with take_over(request, head) as client:
                await self._tunnel(client, kubelet, rest)
        finally:
            await kubelet.close()
        return TakenOver()

    async def _head(self, request: web.BaseRequest, path: str, host: str) -> bytes:
        """Return the request for the kubelet: what concerns the upgrade, and none of the client's credentials."""
        headers = [("Host", host)]
        headers += [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() in _PASSED_ON or name.lower().startswith("sec-websocket-")
        ]
        headers = [(name, without_token(value)) for name, value in headers]
        if self._token_file is not None:
            token = await asyncio.to_thread(self._token_file.read_text)
            headers.append(("Authorization", f"Bearer {token.strip()}"))
        lines = [f"{request.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        if request.method == "POST":
            lines.append("Content-Length: 0")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def _tunnel(self, client: Connection, kubelet: Connection, first: bytes) -> None:
        """Copy both ways until one side ends."""
        self._open.add(client)
        copies = (
            asyncio.create_task(_copy(kubelet, client, first)),
            asyncio.create_task(_copy(client, kubelet)),
        )
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(client)
            for task in copies:
                task.cancel()
            await asyncio.gather(*copies, return_exceptions=True)


async def _copy(source: Connection, target: Connection, first: bytes = b"") -> None:
    with contextlib.suppress(ConnectionError):
        if first:
            await target.write(first)
        while data := await source.read():
            await target.write(data)


def kubelet_path(pod: Object, key: Key, name: str, request: web.BaseRequest) -> str:
    """Return path and query for the kubelet. Raises ApiError 400 when the container is not clear or does not exist."""
    query = request.rel_url.query
    where = f"{quote(key.namespace)}/{quote(key.name)}"
    if name == "portforward":
        return _with_query(f"/portForward/{where}", [("port", port) for port in query.getall("port", [])])
    container = container_of(pod, query.get("container", ""))
    wanted = [(theirs, "1") for ours, theirs in _OPTIONS.items() if query.get(ours, "").lower() in ("1", "t", "true")]
    command = [("command", word) for word in query.getall("command", [])] if name == "exec" else []
    return _with_query(f"/{name}/{where}/{quote(container)}", [*wanted, *command])


def _with_query(path: str, query: Iterable[tuple[str, str]]) -> str:
    encoded = urlencode(list(query))
    return f"{path}?{encoded}" if encoded else path


def without_token(value: str) -> str:
    """Return a header's value without the bearer token that a browser may send as a WebSocket subprotocol."""
    if "base64url.bearer.authorization.k8s.io." not in value:
        return value
    parts = (part.strip() for part in value.split(","))
    return ", ".join(part for part in parts if not part.startswith("base64url.bearer.authorization.k8s.io."))


async def _dial(base: str, node: str) -> Connection:
    parts = urlsplit(base)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # a kubelet's certificate is its own, as it is for logs
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    except OSError as error:
        why = error.strerror or str(error) or "no answer in time"
        raise status.unavailable(
            f"the kubelet of node {node} ({base}) does not answer: {why}. Is the node's process still running?"
        ) from None
    return Connection(reader, writer)


async def _answer(kubelet: Connection, node: str) -> tuple[bytes, bytes]:
    """Return the head of the answer that accepts the upgrade, and what came after it. Raises ApiError for a refusal."""
    data = b""
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            while b"\r\n\r\n" not in data and len(data) < _HEAD_BYTES:
                part = await kubelet.read()
                if not part:
                    break
                data += part
            head, found, rest = data.partition(b"\r\n\r\n")
            code = int(head[9:12] or 0) if found and head[:5] == b"HTTP/" and head[9:12].isdigit() else 0
            if code == 101:
                return head + found, rest
            text = await _text(kubelet, _headers(head), rest)
    except TimeoutError:
        raise status.unavailable(f"the kubelet of node {node} does not answer") from None
    if code == 0:
        raise status.unavailable(f"the kubelet of node {node} closed the connection without an answer")
    raise kubelet_error(code, text)


def _headers(head: bytes) -> Mapping[str, str]:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return CIMultiDict((name.strip(), value.strip()) for name, _, value in lines)


async def _text(kubelet: Connection, headers: Mapping[str, str], data: bytes) -> str:
    length = min(int(headers.get("Content-Length") or 0), _TEXT_BYTES)
    while len(data) < length and (part := await kubelet.read()):
        data += part
    return data[:length].decode(errors="replace")
