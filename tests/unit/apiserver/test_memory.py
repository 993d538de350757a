import pytest

from kaito.apiserver import EmbeddedServer, ServerOptions, memory, server
from kaito.testing import VirtualClock


def test_giving_back_works_on_this_machine():
    memory.give_back()


async def test_a_running_server_gives_memory_back_from_time_to_time(monkeypatch: pytest.MonkeyPatch):
    given_back = []
    monkeypatch.setattr(server, "give_back", lambda: given_back.append("yes"))
    clock = VirtualClock()
    async with EmbeddedServer.start(options=ServerOptions(clock=clock)):
        await clock.advance(9)
        assert given_back == []
        await clock.advance(2)
        assert given_back == ["yes"]
