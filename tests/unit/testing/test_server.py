"""The API server in memory: requests, watches and bad luck on the way there."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry

from kaito.core import Client, ConflictError, Key, Object
from kaito.core.errors import ConnectionLostError, KaitoError
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import Fault, FaultyTransport, InProcessServer, LoopClock, Luck, Misfortune, run

KEY = Key("default", "note")


def note(text: str = "") -> Object:
    metadata = {"name": KEY.name, "namespace": KEY.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}


def with_server(*plan: Fault) -> Callable[[Callable[[Client, Client, Luck], Awaitable[None]]], None]:
    """Run a test with two clients of one server: one with this luck, one with none but good."""

    def decorated(test: Callable[[Client, Client, Luck], Awaitable[None]]) -> None:
        async def main() -> None:
            async with InProcessServer.start(LoopClock()) as server:
                luck = Luck(plan)
                clients = []
                for one in (luck, Luck()):
                    transport = FaultyTransport(
                        one, server.connection_settings, LoopClock(), "test", CollectorRegistry(), server.connector
                    )
                    clients.append(Client(transport, field_manager="test"))
                await test(clients[0], clients[1], luck)
                for client in clients:
                    await client.close()

        run(main())

    return decorated


def test_what_one_client_writes_another_reads_and_watches() -> None:
    @with_server()
    async def _(ours: Client, theirs: Client, luck: Luck) -> None:
        listed = await theirs.list(CONFIG_MAP)
        watch = theirs.watch(CONFIG_MAP, resource_version=listed.resource_version)
        seen = asyncio.ensure_future(anext(aiter(watch)))
        await ours.create(note("x" * 300_000))
        assert (await seen).object["data"] == (await theirs.get(CONFIG_MAP, KEY))["data"]
        assert luck.writes == ["POST /api/v1/namespaces/default/configmaps"]


@pytest.mark.parametrize(
    ("misfortune", "raised", "took_effect"),
    [
        (Misfortune.DROP, ConnectionLostError, False),
        (Misfortune.LOST_ANSWER, ConnectionLostError, True),
        (Misfortune.CONFLICT, ConflictError, False),
        (Misfortune.BROKEN, KaitoError, False),
    ],
)
def test_a_planned_answer_comes_once_at_its_number(
    misfortune: Misfortune, raised: type[Exception], took_effect: bool
) -> None:
    @with_server(Fault(misfortune, 2))
    async def _(ours: Client, theirs: Client, luck: Luck) -> None:
        await ours.create(note("old"))
        with pytest.raises(raised):
            await ours.patch(CONFIG_MAP, KEY, {"data": {"text": "new"}})
        assert (await theirs.get(CONFIG_MAP, KEY))["data"]["text"] == ("new" if took_effect else "old")
        await ours.patch(CONFIG_MAP, KEY, {"data": {"text": "newer"}})
        assert luck.struck == 1


@pytest.mark.parametrize(
    ("misfortune", "took_effect"),
    [(Misfortune.KILLED_BEFORE, False), (Misfortune.KILLED_UNANSWERED, True), (Misfortune.KILLED_AFTER, True)],
)
def test_of_a_killed_process_nothing_gets_through(misfortune: Misfortune, took_effect: bool) -> None:
    @with_server(Fault(misfortune, 1))
    async def _(ours: Client, theirs: Client, luck: Luck) -> None:
        async def life() -> None:
            await ours.create(note())
            await ours.patch(CONFIG_MAP, KEY, {"data": {"text": "after death"}})

        process = asyncio.ensure_future(life())
        await luck.killed.wait()
        await asyncio.sleep(60)
        assert not process.done()
        process.cancel()
        found = (await theirs.list(CONFIG_MAP, "default")).items
        assert [one["data"]["text"] for one in found] == ([""] if took_effect else [])


def test_a_watch_is_cut_off_instead_of_an_event() -> None:
    @with_server(Fault(Misfortune.CUT, 1))
    async def _(ours: Client, theirs: Client, luck: Luck) -> None:
        listed = await ours.list(CONFIG_MAP)
        watch = ours.watch(CONFIG_MAP, resource_version=listed.resource_version)
        seen = asyncio.ensure_future(anext(aiter(watch)))
        await theirs.create(note())
        with pytest.raises(ConnectionLostError):
            await seen
        assert luck.events == 1
