"""The operator of the documentation with its server in trouble: it ends where it would have ended, and never spins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import greeter as example
import pytest
import structlog
import yaml

from kaito.core import KaitoError, Key, Manager, NotFoundError, Object
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import Disturbance, InProcessServer, LoopClock, Trouble, virtual_time

GREETINGS: Final = "greetings"
CRD: Final[Object] = yaml.safe_load(Path(example.__file__).with_name("greetings.yaml").read_text())
FOR_EVER: Final = 1_000_000
HEALED_WITHIN: Final = 100.0
"""Seconds that one trouble may cost: a watch takes 80 s to find that nothing comes, then it pauses."""
RESTART_SECONDS: Final = 10.0
SLOWEST_BACK_OFF: Final = 1100.0
"""Seconds after which a key that failed again and again is tried at the latest, by client-go's limiter."""
BUSIEST_MINUTE: Final = 50
"""Requests of one minute. Undisturbed, it is 25."""
BUSIEST_MINUTE_WITHOUT_AN_ANSWER: Final = 130
"""A read whose connection breaks is tried ten times, a second apart (client-go), and each time twice by aiohttp."""


@pytest.fixture(autouse=True)
def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


def greeting(name: str, language: str = "en") -> Object:
    metadata = {"name": name, "namespace": "default"}
    spec = {"name": name, "language": language}
    return {"apiVersion": "example.com/v1", "kind": "Greeting", "metadata": metadata, "spec": spec}


async def change(server: InProcessServer, name: str, language: str) -> None:
    await server.client.patch(example.GREETING, Key("default", name), {"spec": {"language": language}})


@asynccontextmanager
async def with_ben() -> AsyncIterator[InProcessServer]:
    """A server where the operator has lived before: ben has his note."""
    async with InProcessServer.start() as server:
        await server.client.create(CRD)
        async with operator(server) as manager:
            await manager.start()
            await server.client.create(greeting("ben"))
            await server.eventually(example.GREETING, Key("default", "ben"), lambda _: "Greeted" in str(notes(server)))
        yield server


@asynccontextmanager
async def operator(server: InProcessServer) -> AsyncIterator[Manager]:
    async with server.manager("greeter") as manager:
        manager.add(example.greeter(manager))
        yield manager


@asynccontextmanager
async def supervised(server: InProcessServer) -> AsyncIterator[None]:
    """The operator as a cluster runs it: when it ends with a reason, it is started again."""

    async def live() -> None:
        async with operator(server) as manager:
            await manager.start()
            if (running := manager._running) is not None:
                await asyncio.wait((running,))
            await manager.stop()

    async def lives() -> None:
        while True:
            with pytest.raises(KaitoError, match="SourcesNotStarted"):
                await live()
            await asyncio.sleep(RESTART_SECONDS)

    life = asyncio.create_task(lives())
    try:
        yield
        assert not life.done(), life.exception()
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)


def notes(server: InProcessServer) -> dict[str, Any]:
    """What there is in the end, without what differs between two runs."""
    found = {}
    for kind in (CONFIG_MAP.plural, "example.com/greetings"):
        for key, body in server.store.scan(kind, "default"):
            obj = yaml.safe_load(body)
            owners = [one["name"] for one in obj["metadata"].get("ownerReferences", ())]
            found[f"{kind} {key}"] = (owners, obj.get("data"), obj.get("status"))
    return found


WISHED: Final = {
    "configmaps default/anna": (["anna"], {"text": "Bonjour, anna!"}, None),
    "configmaps default/ben": (["ben"], {"text": "Hello, ben!"}, None),
    "configmaps default/cleo": (["cleo"], {"text": "Hello, cleo!"}, None),
    "example.com/greetings default/anna": ([], None, {"phase": "Greeted"}),
    "example.com/greetings default/ben": ([], None, {"phase": "Greeted"}),
    "example.com/greetings default/cleo": ([], None, {"phase": "Greeted"}),
}


async def a_day(server: InProcessServer) -> None:
    """Wishes come, change, and somebody deletes a note (one that was there before: what comes and goes while a watch
    is broken is never seen). The test's own requests are too few to count.
    """
    await patiently(server.client.create, greeting("anna"))
    await asyncio.sleep(5)
    await patiently(change, server, "anna", "fr")
    await asyncio.sleep(5)
    with suppress(NotFoundError):  # the trouble took the answer
        await patiently(server.client.delete, CONFIG_MAP, Key("default", "ben"))
    await patiently(server.client.create, greeting("cleo"))
    await asyncio.sleep(20)


async def patiently(do: Any, *arguments: Any) -> None:
    """Write as a user would: again after what went wrong."""
    for _ in range(20):
        try:
            return await do(*arguments)
        except NotFoundError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the plan does to it
            if getattr(error, "reason", "") == "AlreadyExists":
                return None
            await asyncio.sleep(0.5)
    return None


async def settled(server: InProcessServer, within: float) -> None:
    end = LoopClock().monotonic() + within
    while (found := notes(server)) != WISHED:
        assert LoopClock().monotonic() < end, found
        await asyncio.sleep(1)


def texts(server: InProcessServer, name: str) -> list[str]:
    """Every text that a note ever had, in order."""
    changes = server.store.history("configmaps", server.store.compacted)
    return [yaml.safe_load(one.body)["data"]["text"] for one in changes if one.key == Key("default", name)]


def never_went_back(server: InProcessServer) -> None:
    words = [text.partition(",")[0] for text in texts(server, "anna")]
    assert words == sorted(words, reverse=True), "Hello came again after Bonjour"


PLACES: Final = [
    ("list greetings", 0),
    ("watch greetings", 3),
    ("watch configmaps", 0),
    ("patch configmaps", 0),
]
MORE_PLACES: Final = [
    ("watch greetings", 0),
    ("watch greetings", 1),
    ("watch configmaps", 2),
    ("patch greetings/status", 0),
]
ALL: Final = [
    *((of, event, 1) for of, event in PLACES),
    *(pytest.param(of, event, 1, marks=pytest.mark.soak) for of, event in MORE_PLACES),
    *(pytest.param(of, event, 3, marks=pytest.mark.soak) for of, event in (*PLACES, *MORE_PLACES)),
]


@pytest.mark.parametrize(("of", "event", "times"), ALL)
@pytest.mark.parametrize("trouble", list(Trouble), ids=lambda one: one.name)
@virtual_time
async def test_whatever_happens_once_or_thrice_the_operator_ends_where_it_would_have_ended(
    trouble: Trouble, of: str, event: int, times: int
) -> None:
    async with with_ben() as server:
        server.disturb(Disturbance(trouble, of, times=times, event=event))
        async with supervised(server):
            await a_day(server)
            await settled(server, within=times * HEALED_WITHIN)
            never_went_back(server)
            assert server.busiest_minute() <= BUSIEST_MINUTE


@pytest.mark.parametrize(
    "of", ["watch", "", *(pytest.param(verb, marks=pytest.mark.soak) for verb in ("list", "write", "discover"))]
)
@pytest.mark.parametrize("trouble", list(Trouble), ids=lambda one: one.name)
@virtual_time
async def test_trouble_without_end_is_asked_about_rarely_and_its_end_is_noticed(trouble: Trouble, of: str) -> None:
    async with with_ben() as server, supervised(server):
        server.disturb(Disturbance(trouble, of, times=FOR_EVER))
        await a_day(server)
        await asyncio.sleep(600)
        began = LoopClock().monotonic() - 300
        assert server.busiest_minute(since=began) <= BUSIEST_MINUTE_WITHOUT_AN_ANSWER
        server.disturb()
        for name in ("anna", "cleo"):
            await patiently(server.client.create, greeting(name, "fr" if name == "anna" else "en"))
        await settled(server, SLOWEST_BACK_OFF)


@virtual_time
async def test_nothing_is_written_before_everything_watched_has_been_listed() -> None:
    async with InProcessServer.start() as server:
        await server.client.create(CRD)
        await server.client.create(greeting("anna"))
        broken = [Disturbance(Trouble.BROKEN, f"{verb} configmaps", times=4) for verb in ("list", "watch")]
        server.disturb(*broken)
        async with operator(server) as manager:
            await manager.start()
            await server.eventually(CONFIG_MAP, Key("default", "anna"))
        asked = [f"{one.verb} {one.resource}" for one in server.asked if one.resource in ("greetings", "configmaps")]
        reads = [place for place, one in enumerate(asked) if one in ("list configmaps", "watch configmaps")]
        assert server.struck >= 4
        assert asked.index("patch configmaps") > reads[server.struck]


@pytest.mark.parametrize("seconds", [3600, -3600])
@virtual_time
async def test_a_clock_that_is_set_by_an_hour_changes_nothing(seconds: float) -> None:
    clock = LoopClock()
    async with InProcessServer.start(clock) as server, operator(server) as manager:
        await server.client.create(CRD)
        await manager.start()
        await server.client.create(greeting("anna"))
        await server.eventually(CONFIG_MAP, Key("default", "anna"))
        clock.jump(seconds)
        asked = len(server.asked)
        await asyncio.sleep(60)
        assert len(server.asked) - asked <= 5
        await change(server, "anna", "fr")
        await server.eventually(
            CONFIG_MAP, Key("default", "anna"), lambda note: note["data"]["text"] == "Bonjour, anna!", within=5
        )
