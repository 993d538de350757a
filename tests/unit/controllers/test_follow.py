"""Following a server's own status over its admin port."""

import asyncio
import base64
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from kaito.controllers.workspace.servers import Servers
from kaito.core import Key, NotFoundError, Status
from kaito.testing import VirtualClock

KEY = Key("team", "phi")


class Secrets:
    """The one read that the follower makes."""

    def __init__(self, token="s3cret"):
        self.token = token
        self.asked = []

    async def get(self, _kind, key):
        self.asked.append(key)
        if self.token is None:
            raise NotFoundError(Status(404, "NotFound", "no such Secret"))
        return {"data": {"token": base64.b64encode(self.token.encode()).decode()}}


class Server:
    """An admin port that answers what it is told, and waits when it was asked for more than there is."""

    def __init__(self):
        self.status = None
        self.requests = []
        self.more = asyncio.Event()
        self.answered = asyncio.Event()

    def say(self, status):
        self.status = status
        self.more.set()

    async def handle(self, request):
        self.requests.append((request.headers.get("Authorization"), request.query.get("after")))
        self.answered.set()
        after = request.query.get("after")
        while self.status is None or (after is not None and self.status["sequence"] <= int(after)):
            self.more.clear()
            await self.more.wait()
        return web.json_response(self.status)


@asynccontextmanager
async def following(server, secrets, clock):
    app = web.Application()
    app.router.add_get("/v1/status", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    changes = asyncio.Queue()
    servers = Servers(secrets, clock, changes.put_nowait, port=runner.addresses[0][1])
    task = asyncio.create_task(servers.run())
    try:
        yield servers.follower, changes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


async def retrying(clock):
    """Return once the follower waits for its next try."""
    while not clock.sleeping:  # noqa: ASYNC110 - the clock has no event for it
        await asyncio.sleep(0)


def pod(a, **changes):
    return a.pod({**a.running_pod, "podIP": "127.0.0.1", **changes})


async def test_each_new_stage_is_heard_at_once_with_the_token_and_the_last_sequence(a):
    server, secrets = Server(), Secrets()
    async with following(server, secrets, VirtualClock()) as (follower, changes), asyncio.timeout(10):
        server.say(a.runtime("loading") | {"sequence": 3})
        follower.follow(KEY, [pod(a)])
        assert await changes.get() == KEY
        assert follower.statuses["pod-1"]["stage"] == "loading"
        server.say(a.runtime("warming") | {"sequence": 5})
        await changes.get()
        assert follower.statuses["pod-1"]["stage"] == "warming"
    assert server.requests[:2] == [("Bearer s3cret", None), ("Bearer s3cret", "3")]
    assert secrets.asked == [Key("team", "phi-admin")]


async def test_a_mere_change_of_wording_waits_for_the_ten_second_grid(a):
    server, clock = Server(), VirtualClock()
    async with following(server, Secrets(), clock) as (follower, changes), asyncio.timeout(10):
        server.say(a.runtime("loading", message="1 of 7") | {"sequence": 1})
        follower.follow(KEY, [pod(a)])
        await changes.get()
        server.answered.clear()
        server.say(a.runtime("loading", message="2 of 7") | {"sequence": 2})
        await server.answered.wait()  # it has read that and asks for more
        assert changes.empty()
        assert follower.statuses["pod-1"]["message"] == "1 of 7"
        await clock.advance(10)
        server.say(a.runtime("loading", message="3 of 7") | {"sequence": 3})
        await changes.get()
        assert follower.statuses["pod-1"]["message"] == "3 of 7"


async def test_a_pod_that_is_ready_is_followed_on_and_one_that_goes_is_not(a):
    server = Server()
    async with following(server, Secrets(), VirtualClock()) as (follower, changes), asyncio.timeout(10):
        server.say(a.runtime("warming") | {"sequence": 1})
        follower.follow(KEY, [pod(a)])
        await changes.get()
        follower.follow(KEY, [pod(a, conditions=[{"type": "Ready", "status": "True"}])])
        adapter = {"name": "poems", "state": "Ready", "reason": "", "message": ""}
        server.say(a.runtime("ready", adapters=[adapter]) | {"sequence": 2})
        await changes.get()
        assert follower.statuses["pod-1"]["adapters"] == [adapter]
        follower.follow(KEY, [a.pod({**a.running_pod, "podIP": "127.0.0.1"}, deleted=True)])
        assert follower._wanted == {}
        assert follower.statuses == {}


async def test_a_pod_that_got_another_address_is_asked_there(a):
    server = Server()
    async with following(server, Secrets(), VirtualClock()) as (follower, changes), asyncio.timeout(10):
        follower.follow(KEY, [pod(a, podIP="127.255.255.254")])
        follower.follow(KEY, [pod(a)])
        server.say(a.runtime("ready"))
        await changes.get()
        assert follower.statuses["pod-1"]["stage"] == "ready"


async def test_a_token_that_was_replaced_is_read_again(a):
    server, secrets, clock = Server(), Secrets(), VirtualClock()
    answer = server.handle

    async def with_the_new_token_only(request):
        if request.headers["Authorization"] != "Bearer rotated":
            return web.Response(status=401)
        return await answer(request)

    server.handle = with_the_new_token_only
    async with following(server, secrets, clock) as (follower, changes), asyncio.timeout(10):
        server.say(a.runtime("ready"))
        follower.follow(KEY, [pod(a)])
        await retrying(clock)
        secrets.token = "rotated"
        await clock.advance(1)
        await changes.get()
    assert secrets.asked == [Key("team", "phi-admin")] * 2


async def test_what_a_pod_that_is_gone_said_is_forgotten(a):
    server = Server()
    async with following(server, Secrets(), VirtualClock()) as (follower, changes), asyncio.timeout(10):
        server.say(a.runtime("loading"))
        follower.follow(KEY, [pod(a)])
        await changes.get()
        follower.follow(KEY, [])
        assert follower.statuses == {}


BROKEN = {
    "no JSON": b"not json",
    "a list": b"[]",
    "an unknown stage": b'{"stage": "flying"}',
    "lists in lists": b'{"more": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_server_that_answers_nonsense_is_asked_again_later_and_stops_nothing(a, case):
    server, clock, body = Server(), VirtualClock(), BROKEN[case]

    async def nonsense(_request):
        server.answered.set()
        return web.Response(body=body)

    server.handle = nonsense
    async with following(server, Secrets(), clock) as (follower, changes), asyncio.timeout(10):
        follower.follow(KEY, [pod(a)])
        for _ in range(3):
            await server.answered.wait()
            server.answered.clear()
            await retrying(clock)
            await clock.advance(5)
        assert changes.empty()
        assert follower.statuses == {}


async def test_a_server_that_does_not_wait_for_news_is_not_asked_without_end(a):
    server, clock = Server(), VirtualClock()

    async def at_once(request):
        server.requests.append(request.query.get("after"))
        return web.json_response(a.runtime("ready"))

    server.handle = at_once
    async with following(server, Secrets(), clock) as (follower, changes), asyncio.timeout(10):
        follower.follow(KEY, [pod(a)])
        await retrying(clock)
        assert server.requests == [None, "3"]
        await clock.advance(0.25)
        await retrying(clock)
        assert server.requests == [None, "3", "3"]
        assert changes.qsize() == 1


async def test_a_missing_secret_is_waited_for(a):
    server, secrets, clock = Server(), Secrets(token=None), VirtualClock()
    async with following(server, secrets, clock) as (follower, changes), asyncio.timeout(10):
        server.say(a.runtime("loading"))
        follower.follow(KEY, [pod(a)])
        await retrying(clock)
        secrets.token = "now"
        await clock.advance(1)
        await changes.get()
        assert server.requests[0][0] == "Bearer now"
