import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from kaito.contracts import STATUS_PATH, FailureStatus, WeightsStatus
from kaito.runtime.failure import FatalError
from kaito.runtime.front import AdminServer, BackgroundLoop, EarlyAnswers, KeyRing, listen
from kaito.runtime.status import ServerState, StatusBoard
from kaito.runtime.status.metrics import RuntimeCollector


def new_board() -> StatusBoard:
    weights = WeightsStatus(kind="path", source="/w", loadedBytes=0, totalBytes=9)
    return StatusBoard(ServerState(model="phi", weights=weights, entered=0.0), lambda: 1.0)


def registry_of(board: StatusBoard) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(RuntimeCollector(board))
    return registry


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    ("path", "status", "contains"),
    [
        ("/healthz", 200, '"importing"'),
        ("/livez", 200, '"importing"'),
        ("/readyz", 503, '"importing"'),
        ("/metrics", 200, 'kaito_runtime_stage{stage="importing"} 1.0'),
        ("/chat", 503, "not ready yet"),
        ("/v1/models", 503, "not ready yet"),
    ],
)
async def test_the_port_answers_while_the_model_loads(
    client: aiohttp.ClientSession, path: str, status: int, contains: str
) -> None:
    board = new_board()
    early = EarlyAnswers(board, registry_of(board))
    with listen("127.0.0.1", 0) as listener:
        await early.start(listener)
        async with client.get(f"http://127.0.0.1:{port_of(listener)}{path}") as answer:
            assert answer.status == status
            assert contains in await answer.text()
            assert (answer.headers.get("Retry-After") is not None) == (status == 503)
        await early.stop()


async def test_with_keys_only_the_probes_are_answered_without_one_while_the_model_loads(
    client: aiohttp.ClientSession,
) -> None:
    board = new_board()
    early = EarlyAnswers(board, registry_of(board), KeyRing(plain=["one"]))
    with listen("127.0.0.1", 0) as listener:
        await early.start(listener)
        for path, key, status in (("/metrics", "", 401), ("/chat", "two", 401), ("/metrics", "one", 200)):
            url = f"http://127.0.0.1:{port_of(listener)}{path}"
            async with client.get(url, headers={"Authorization": f"Bearer {key}"}) as answer:
                assert answer.status == status
        async with client.get(f"http://127.0.0.1:{port_of(listener)}/readyz") as answer:
            assert answer.status == 503
        await early.stop()


async def test_a_failed_server_is_not_alive_and_says_why(client: aiohttp.ClientSession) -> None:
    board = new_board()
    early = EarlyAnswers(board, registry_of(board))
    board.fail(FailureStatus(reason="ModelNotFound", message="There is no /w.", remedy="Make it."))
    with listen("127.0.0.1", 0) as listener:
        await early.start(listener)
        async with client.get(f"http://127.0.0.1:{port_of(listener)}/healthz") as answer:
            assert answer.status == 500
            assert (await answer.json())["failure"]["remedy"] == "Make it."
        await early.stop()


async def test_no_connection_is_refused_while_the_next_server_takes_the_socket_over(
    client: aiohttp.ClientSession,
) -> None:
    board = new_board()
    early = EarlyAnswers(board, registry_of(board))
    with listen("127.0.0.1", 0) as listener:
        await early.start(listener)
        await early.stop()
        waiting = asyncio.create_task(client.get(f"http://127.0.0.1:{port_of(listener)}/healthz"))
        await asyncio.sleep(0)  # the connection is queued; nobody accepts
        successor = EarlyAnswers(board, registry_of(board))
        await successor.start(listener)
        async with asyncio.timeout(5):
            assert (await waiting).status == 200
        await successor.stop()


@pytest.mark.parametrize("turns", range(6))
async def test_who_was_accepted_before_the_takeover_is_answered_though_the_request_comes_after_it_began(
    turns: int,
) -> None:
    board = new_board()
    early = EarlyAnswers(board, registry_of(board))
    with listen("127.0.0.1", 0) as listener:
        await early.start(listener)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
        for _ in range(turns):  # from "in the kernel's queue" to "accepted and silent"
            await asyncio.sleep(0)
        stopping = asyncio.create_task(early.stop())
        await asyncio.sleep(0)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            await stopping
            successor = EarlyAnswers(board, registry_of(board))
            await successor.start(listener)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await successor.stop()


async def test_status_is_for_who_holds_the_token_and_a_new_token_is_followed(
    client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    board = new_board()
    token = tmp_path / "token"
    token.write_text("first\n")
    admin = AdminServer(board, registry_of(board), token)
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port_of(listener)}"
    await admin.start(listener)

    async def ask(bearer: str) -> int:
        async with client.get(url + STATUS_PATH, headers={"Authorization": f"Bearer {bearer}"}) as answer:
            return answer.status

    assert [await ask("first"), await ask("wrong"), await ask("")] == [200, 401, 401]
    token.write_text("second")
    assert [await ask("first"), await ask("second")] == [401, 200]
    token.write_text("")
    assert await ask("") == 401
    async with client.get(f"{url}/healthz") as answer:
        assert answer.status == 200
    async with client.get(f"{url}/metrics") as answer:
        assert "kaito_runtime_stage" in await answer.text()
    await admin.stop()


async def test_without_a_token_file_nobody_is_let_in(client: aiohttp.ClientSession) -> None:
    board = new_board()
    admin = AdminServer(board, registry_of(board), None)
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port_of(listener)}{STATUS_PATH}"
    await admin.start(listener)
    async with client.get(url, headers={"Authorization": "Bearer "}) as answer:
        assert answer.status == 401
    await admin.stop()


async def test_a_long_poll_is_answered_by_the_next_change(client: aiohttp.ClientSession, tmp_path: Path) -> None:
    board = new_board()
    (tmp_path / "token").write_text("t")
    admin = AdminServer(board, registry_of(board), tmp_path / "token")
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port_of(listener)}{STATUS_PATH}"
    headers = {"Authorization": "Bearer t"}
    await admin.start(listener)
    async with client.get(url, headers=headers) as answer:
        sequence = (await answer.json())["sequence"]

    async def poll() -> dict[str, object]:
        async with client.get(url, headers=headers, params={"after": sequence}) as answer:
            return dict(await answer.json())

    waiting = asyncio.create_task(poll())
    async with client.get(url, headers=headers, params={"after": "x"}) as answer:
        assert answer.status == 400
    board.enter("loading")
    async with asyncio.timeout(5):
        assert (await waiting)["stage"] == "loading"
    await admin.stop()


def test_a_port_in_use_is_named_with_a_remedy() -> None:
    with listen("127.0.0.1", 0) as taken:
        with pytest.raises(FatalError, match=f"port {port_of(taken)}") as caught:
            listen("127.0.0.1", port_of(taken))
        assert caught.value.reason == "PortInUse"


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(FatalError, match=r"192\.0\.2\.1") as caught:
        listen("192.0.2.1", 5000)
    assert caught.value.reason == "InvalidFlag"


def test_the_background_thread_returns_results_and_raises_errors() -> None:
    background = BackgroundLoop("test")

    async def broken() -> None:
        raise ValueError("broken")

    assert background.call(asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ValueError, match="broken"):
        background.call(broken())
    background.spawn(asyncio.sleep(3600))
    background.stop()
    background.stop()
