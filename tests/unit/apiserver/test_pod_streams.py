"""exec, attach and port-forward: the upgrade, and all bytes after it, go between the client and the pod's kubelet."""

import asyncio
import ssl

import pytest
import pytest_asyncio

from kaito.apiserver.pod_streams import without_token

PODS, NODES = "/api/v1/namespaces/default/pods", "/api/v1/nodes"
TIMEOUT = 10.0
UPGRADE = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nwelcome"


class Kubelet:
    """Answers each request with `answer`; after an upgrade it sends back what it gets, in capitals."""

    def __init__(self) -> None:
        self.answer = ACCEPTED
        self.heads: list[str] = []
        self.port = 0
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(self.answer)
        while data := await reader.read(1024):
            writer.write(data.upper())
        writer.close()
        self.closed.set()


@pytest_asyncio.fixture
async def kubelet(server):
    made = Kubelet()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.certificates.certificate, server.certificates.key)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


async def make(api, port: int) -> None:
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await api("POST", NODES, {"metadata": {"name": "gpu-1"}, "status": status})
    spec = {"nodeName": "gpu-1", "containers": [{"name": name, "image": "nginx"} for name in ("main", "second")]}
    await api("POST", PODS, {"metadata": {"name": "web"}, "spec": spec})


class Client:
    """A client that upgrades, byte by byte."""

    @classmethod
    async def open(cls, server, path: str, method: str = "POST", **headers: str) -> "Client":
        client = cls()
        context = ssl.create_default_context(cadata=server.certificates.authority.read_text())
        client.reader, client.writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        headers = {"Host": "kubernetes", "Authorization": f"Bearer {server.token}", **UPGRADE, **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        client.writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(TIMEOUT):
            client.head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
        return client

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            return await self.reader.read()


async def test_bytes_go_both_ways_until_one_side_ends(server, api, kubelet):
    await make(api, kubelet.port)
    client = await Client.open(server, f"{PODS}/web/exec?container=main&command=a&command=b+c&stdin=true&stdout=true")
    assert client.head.startswith("HTTP/1.1 101 ")
    assert await client.read(7) == b"welcome"
    client.writer.write(b"hello")
    assert await client.read(5) == b"HELLO"
    assert kubelet.heads[0].startswith(
        "POST /exec/default/web/main?input=1&output=1&command=a&command=b+c HTTP/1.1\r\n"
    )
    client.writer.close()
    async with asyncio.timeout(TIMEOUT):
        await kubelet.closed.wait()


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("attach?container=second&stdout=1&stderr=1&tty=true", "/attach/default/web/second?output=1&error=1&tty=1"),
        ("portforward", "/portForward/default/web"),
        ("portforward?ports=80", "/portForward/default/web"),
    ],
)
async def test_each_kind_has_its_path_at_the_kubelet(server, api, kubelet, path, asked):
    await make(api, kubelet.port)
    await Client.open(server, f"{PODS}/web/{path}")
    assert kubelet.heads[0].startswith(f"POST {asked} HTTP/1.1\r\n")


async def test_the_kubelet_gets_the_servers_credentials_and_never_the_clients(start, kubelet, tmp_path):
    token = tmp_path / "kubelet-token"
    token.write_text("let-me-in\n")
    server, api = await start(kubelet_token_file=token)
    await make(api, kubelet.port)
    await Client.open(server, f"{PODS}/web/portforward", Cookie="secret", **{"X-Remote-User": "root"})
    assert "Authorization: Bearer let-me-in\r\n" in kubelet.heads[0]
    assert server.token not in kubelet.heads[0]
    assert "secret" not in kubelet.heads[0]
    assert "X-Remote-User" not in kubelet.heads[0]
    assert "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n" in kubelet.heads[0]


def test_a_token_among_the_websocket_protocols_is_taken_out():
    assert without_token("v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0") == "v5.channel.k8s.io"
    assert without_token("v5.channel.k8s.io, v4.channel.k8s.io") == "v5.channel.k8s.io, v4.channel.k8s.io"


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno such 1", 404, "no such 1"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 14\r\n\r\nit has ended 2", 400, "it has ended 2"),
        (b"gibberish\r\n\r\n", 503, "without an answer"),
    ],
)
async def test_the_kubelets_refusal_is_the_clients(api, server, kubelet, answer, code, message):
    await make(api, kubelet.port)
    kubelet.answer = answer
    client = await Client.open(server, f"{PODS}/web/exec?container=main&command=true&stdout=1", Connection="Upgrade")
    assert client.head.startswith(f"HTTP/1.1 {code} ")
    size = int(client.head.lower().partition("content-length: ")[2].partition("\r\n")[0])
    assert message in (await client.read(size)).decode()


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("none/exec?command=true&stdout=1", 404, 'pods "none" not found'),
        ("web/exec?container=third&command=true&stdout=1", 400, "container third is not valid for pod web"),
        ("web/exec?command=true&stdout=1", 400, "a container name must be specified for pod web"),
        ("web/exec?container=main&command=true&stdout=1", 400, "Upgrade request required"),
    ],
)
async def test_what_cannot_be_is_refused_before_the_kubelet_is_asked(api, kubelet, path, code, message):
    await make(api, kubelet.port)
    answer = await api("POST", f"{PODS}/{path}")
    assert answer.code == code
    assert message in answer.body["message"]
    assert not kubelet.heads


async def test_a_node_that_does_not_answer_is_named(server, api):
    await make(api, 1)
    client = await Client.open(server, f"{PODS}/web/portforward")
    assert client.head.startswith("HTTP/1.1 503 ")


async def test_the_server_stops_although_streams_are_open(start, kubelet):
    server, api = await start()
    await make(api, kubelet.port)
    client = await Client.open(server, f"{PODS}/web/portforward")
    async with asyncio.timeout(TIMEOUT):
        await start.stop()
    assert await client.rest() == b"welcome"
    async with asyncio.timeout(TIMEOUT):
        await kubelet.closed.wait()
