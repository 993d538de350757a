"""Telling servers which adapters are wanted."""

import asyncio
import base64
from contextlib import asynccontextmanager

import pytest
from pod_server import PodServer

from kaito.contracts import adapter_set_digest
from kaito.controllers.workspace.known import Refusal
from kaito.controllers.workspace.servers import Servers
from kaito.controllers.workspace.step import TellServer
from kaito.core import Key
from kaito.testing import VirtualClock

KEY = Key("team", "phi")
ALIVE = {"pod-1"}


def set_of(*names, generation=2):
    return {
        "contractVersion": 1,
        "generation": generation,
        "adapters": [{"name": name, "image": "x"} for name in names],
    }


class Secrets:
    def __init__(self, token="s3cret"):
        self.token = token
        self.reads = 0

    async def get(self, _kind, _key):
        self.reads += 1
        return {"data": {"token": base64.b64encode(self.token.encode()).decode()}}


class Stage:
    """A server, and what tells it on virtual time."""

    def __init__(self, a, server, clock, servers, changes, secrets):
        self.server, self.clock, self.servers, self.changes, self.secrets = server, clock, servers, changes, secrets
        self.pod = a.pod({**a.running_pod, "podIP": "127.0.0.1"})

    def tell(self, adapter_set, alive=ALIVE):
        errands = () if adapter_set is None else (TellServer(self.pod, adapter_set),)
        self.servers.pusher.tell(KEY, errands, alive)

    async def told(self, times):
        """Wait until the server was told this often, letting virtual time pass."""
        async with asyncio.timeout(10):
            while len(self.server.tokens) < times:
                await asyncio.sleep(0.002)
                if self.clock.sleeping and len(self.server.tokens) < times:
                    await self.clock.advance(0.25)

    async def has(self, adapter_set):
        """Wait until the server works towards a set."""
        async with asyncio.timeout(10):
            while self.server.set != adapter_set:  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0.002)

    async def quiet(self):
        """Let a minute pass."""
        for _ in range(12):
            await asyncio.sleep(0.002)
            await self.clock.advance(5)


@pytest.fixture
async def stage(a):
    async with telling(a) as stage:
        yield stage


@asynccontextmanager
async def telling(a):
    server, clock, changes, secrets = PodServer(), VirtualClock(), asyncio.Queue(), Secrets()
    async with server.listening() as port:
        servers = Servers(secrets, clock, changes.put_nowait, port=port)
        task = asyncio.create_task(servers.run())
        try:
            yield Stage(a, server, clock, servers, changes, secrets)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_server_is_told_at_once_with_the_token(stage):
    stage.tell(set_of("poems"))
    async with asyncio.timeout(10):
        await stage.server.put.wait()
    assert stage.server.set == set_of("poems")
    assert stage.server.tokens == ["Bearer s3cret"]


async def test_a_server_that_says_it_works_towards_the_set_is_told_no_more(stage):
    stage.tell(set_of("poems"))
    await stage.told(1)
    stage.tell(None)
    await stage.quiet()
    assert len(stage.server.puts) == 1


async def test_a_server_that_took_the_set_and_does_not_say_so_is_told_again_with_growing_pauses(stage):
    stage.tell(set_of("poems"))
    await stage.told(1)
    for _ in range(3):
        stage.tell(set_of("poems"))  # what each reconcile says while the status shows another set
    await stage.quiet()
    assert 2 <= len(stage.server.puts) <= 20


PASSING = {
    "is starting": (503, {"detail": "starting"}),
    "has no such route yet": (404, {"detail": "no"}),
    "asks for patience": (429, {}),
    "breaks the connection": None,
    "has an accident": (500, {}),
}


@pytest.mark.parametrize("case", PASSING)
async def test_a_server_that_cannot_take_it_now_is_told_again(stage, case):
    stage.server.faults = [PASSING[case]] * 3
    stage.tell(set_of("poems"))
    await stage.told(4)
    await stage.has(set_of("poems"))
    assert stage.servers.pusher.refused == {}


async def test_a_token_that_was_replaced_is_read_again(stage):
    stage.server.token = "rotated"
    stage.tell(set_of("poems"))
    await stage.told(1)
    stage.secrets.token = "rotated"
    await stage.told(2)
    assert stage.server.tokens[-1] == "Bearer rotated"
    assert stage.secrets.reads <= 3


REFUSALS = {
    "one adapter": (
        {"detail": "the name is taken", "adapter": "poems", "reason": "NameTaken"},
        Refusal(2, "the name is taken", "poems", "NameTaken"),
    ),
    "the set": ({"detail": "no adapters"}, Refusal(2, "no adapters", "", "LoadFailed")),
    "without words": (["what"], Refusal(2, "it answered 400.")),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_no_is_kept_and_not_asked_for_again(stage, case):
    body, refusal = REFUSALS[case]
    stage.server.faults = [(400, body)]
    stage.tell(set_of("poems"))
    async with asyncio.timeout(10):
        assert await stage.changes.get() == KEY
    assert stage.servers.pusher.refused == {"pod-1": refusal}
    stage.tell(set_of("poems"))
    await stage.quiet()
    assert len(stage.server.puts) == 1


async def test_a_server_that_knows_better_is_left_alone(stage):
    stage.server.set = set_of("newer", generation=9)
    stage.tell(set_of("poems"))
    await stage.told(1)
    await stage.quiet()
    assert len(stage.server.puts) == 1
    assert stage.server.set["generation"] == 9


async def test_a_newer_set_takes_the_place_of_one_that_is_on_its_way(stage):
    stage.server.faults = [(503, {})] * 2
    stage.tell(set_of("poems"))
    await stage.told(1)
    stage.tell(set_of("prose", generation=3))
    await stage.told(3)
    await stage.has(set_of("prose", generation=3))
    assert [one["generation"] for one in stage.server.puts].count(2) == 1


async def test_what_a_pod_refused_is_forgotten_with_the_pod(stage):
    stage.server.faults = [(400, {"detail": "no"})]
    stage.tell(set_of("poems"))
    async with asyncio.timeout(10):
        await stage.changes.get()
    stage.tell(None)
    assert "pod-1" in stage.servers.pusher.refused
    stage.servers.forget(KEY)
    assert stage.servers.pusher.refused == {}
    assert stage.servers.pusher._wanted == {}


async def test_a_pod_that_dies_while_it_is_told_stops_nothing(stage):
    stage.server.faults = [None] * 100
    stage.tell(set_of("poems"))
    await stage.told(2)
    stage.tell(None, alive=())
    await stage.quiet()
    told = len(stage.server.puts)
    await stage.quiet()
    assert len(stage.server.puts) == told
    assert adapter_set_digest(stage.server.set) == adapter_set_digest(set_of())
