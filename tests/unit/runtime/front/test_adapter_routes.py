"""`/v1/adapters` on the admin port: what is taken, what is refused and why, and to whom."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from kaito.contracts import AdapterSet, AdapterStatus, WantedAdapter, WeightsStatus
from kaito.runtime.adapters.follower import OlderGenerationError
from kaito.runtime.front import AdminServer, listen
from kaito.runtime.front.adapter_routes import LONGEST_SET
from kaito.runtime.status import ServerState, StatusBoard

KEY = {"Authorization": "Bearer secret"}


class Desk:
    """Takes every order, but none older than generation 5, and none at all when its disk is full."""

    def __init__(self) -> None:
        self.adapter_set: AdapterSet | None = None
        self.single: tuple[WantedAdapter, ...] = ()
        self.statuses = (AdapterStatus(name="a", state="Ready", reason="", message=""),)
        self.full = False

    async def put_set(self, adapter_set: AdapterSet) -> None:
        if adapter_set["generation"] < 5:
            raise OlderGenerationError("one of generation 5 is in force")
        self.adapter_set = adapter_set

    async def put_single(self, adapter: WantedAdapter) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.single = (adapter,)

    async def delete_single(self, name: str) -> bool:
        return any(adapter["name"] == name for adapter in self.single)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def admin(desk: Desk, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    (tmp_path / "token").write_text("secret")
    weights = WeightsStatus(kind="path", source="/w", loadedBytes=0, totalBytes=9)
    board = StatusBoard(ServerState(model="phi", weights=weights, entered=0.0), lambda: 1.0)
    server = AdminServer(board, CollectorRegistry(), tmp_path / "token", desk)
    listener = listen("127.0.0.1", 0)
    await server.start(listener)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}", headers=KEY) as session:
        yield session
    await server.stop()


async def ask(admin: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    async with admin.request(method, path, data=data) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else None


async def test_a_set_is_put_and_read_with_every_adapter_s_state(admin: aiohttp.ClientSession, desk: Desk) -> None:
    wanted = {"contractVersion": 1, "generation": 5, "adapters": [{"name": "a", "image": "i"}]}
    code, body = await ask(admin, "PUT", "/v1/adapters", wanted)
    assert (code, body["generation"], body["states"][0]["name"]) == (200, 5, "a")
    assert desk.adapter_set == wanted
    assert (await ask(admin, "GET", "/v1/adapters"))[1] == body


async def test_before_any_set_an_empty_one_is_in_force(admin: aiohttp.ClientSession) -> None:
    _, body = await ask(admin, "GET", "/v1/adapters")
    assert (body["generation"], body["adapters"]) == (0, [])


async def test_one_adapter_is_put_read_and_taken_away(admin: aiohttp.ClientSession) -> None:
    assert await ask(admin, "PUT", "/v1/adapters/b", {"path": "/b"}) == (202, {"name": "b", "path": "/b"})
    assert (await ask(admin, "GET", "/v1/adapters/a"))[1]["state"] == "Ready"
    assert (await ask(admin, "DELETE", "/v1/adapters/b"))[0] == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "says"),
    [
        ("PUT", "/v1/adapters", {"generation": 1, "adapters": []}, 409, "generation 5 is in force"),
        ("PUT", "/v1/adapters", b"\xff", 400, "no JSON"),
        ("PUT", "/v1/adapters", {"generation": 9}, 400, "adapters is missing"),
        ("PUT", "/v1/adapters", b" " * (LONGEST_SET + 1), 413, "longer than"),
        ("PUT", "/v1/adapters/b", {"path": "b"}, 400, "not absolute"),
        ("PUT", "/v1/adapters/B", {"path": "/b"}, 400, "lower-case"),
        ("GET", "/v1/adapters/nobody", None, 404, "nobody"),
        ("DELETE", "/v1/adapters/nobody", None, 404, "nobody"),
        ("DELETE", "/v1/adapters/a", None, 409, "take it out of the set"),
    ],
)
async def test_what_is_refused_says_why(
    admin: aiohttp.ClientSession, method: str, path: str, body: Any, code: int, says: str
) -> None:
    answered, content = await ask(admin, method, path, body)
    assert (answered, says in content["detail"]) == (code, True), content


async def test_the_adapter_at_fault_is_named(admin: aiohttp.ClientSession) -> None:
    wanted = {"generation": 9, "adapters": [{"name": "a", "image": "i", "strength": "3"}]}
    code, body = await ask(admin, "PUT", "/v1/adapters", wanted)
    assert (code, body["adapter"], body["reason"]) == (400, "a", "ConfigInvalid")
    assert body["field"] == "adapters[0].strength"


async def test_what_cannot_be_kept_is_not_taken(admin: aiohttp.ClientSession, desk: Desk) -> None:
    desk.full = True
    code, body = await ask(admin, "PUT", "/v1/adapters/b", {"path": "/b"})
    assert (code, "No space left" in body["detail"]) == (507, True)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PUT", ""), ("GET", "/a"), ("PUT", "/a"), ("DELETE", "/a")])
async def test_who_has_no_token_is_let_in_nowhere(admin: aiohttp.ClientSession, method: str, path: str) -> None:
    async with admin.request(method, f"/v1/adapters{path}", headers={"Authorization": "Bearer wrong"}) as answer:
        assert answer.status == 401
