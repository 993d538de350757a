import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from kaito.contracts import WeightsStatus
from kaito.runtime.config import Flags, ServeOptions
from kaito.runtime.failure import FatalError
from kaito.runtime.front import Gate, asgi
from kaito.runtime.status import ServerState, StatusBoard
from kaito.runtime.status.metrics import RequestMetrics

pytest.importorskip("uvicorn")

from kaito.runtime.engine import lifecycle


class Served:
    """A ready server whose one route answers when told, and what happened to it in order.

    Its clients send their bodies while `sends` is set, as it is at first.
    """

    def __init__(self, *, grace: float = 100) -> None:
        weights = WeightsStatus(kind="path", source="/w", loadedBytes=1, totalBytes=1)
        self.board = StatusBoard(ServerState(model="phi", weights=weights, entered=0.0, stage="ready"), lambda: 1.0)
        self.options = ServeOptions(model="/w", vllm=Flags(), grace_seconds=grace, drain_delay_seconds=5)
        self.release = asyncio.Event()
        self.sends = asyncio.Event()
        self.sends.set()
        self.slept: list[tuple[float, str, bool]] = []

        async def healthy() -> bool:
            return True

        self.gate = Gate(
            self.route,
            self.board,
            healthy=healthy,
            routes={},
            about={},
            clock=lambda: 1.0,
            metrics=RequestMetrics(CollectorRegistry()),
        )

    async def route(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """As vLLM's: computes until it is done or the client is said to have gone."""
        await asgi.read_body(receive)
        leaving = asyncio.ensure_future(receive())
        await asyncio.wait({leaving, asyncio.ensure_future(self.release.wait())}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        await asgi.send_json(send, 200, {})

    async def ask(self) -> int:
        sent: list[asgi.Message] = []
        body = [{"type": "http.request", "body": b"{}", "more_body": False}]

        async def receive() -> Any:
            await self.sends.wait()
            return body.pop() if body else await asyncio.get_running_loop().create_future()

        async def send(message: asgi.Message) -> None:
            sent.append(message)

        await self.gate({**asgi.own_scope("x", 1), "method": "POST", "path": "/v1/completions"}, receive, send)
        return int(sent[0]["status"])

    async def sleep(self, seconds: float) -> None:
        self.slept.append((seconds, self.board.state.stage, self.gate.closed))
        await asyncio.sleep(0)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_drain_takes_new_requests_for_the_delay_and_finishes_those_it_took() -> None:
    served = Served()
    request = asyncio.create_task(served.ask())
    await turns()
    draining = asyncio.create_task(
        lifecycle.drain(served.gate, served.board, served.options, delay=True, sleep=served.sleep)
    )
    await turns()
    assert served.slept == [(5, "draining", False)]
    assert await served.ask() == 503  # the delay is over
    assert not draining.done()
    served.release.set()
    await draining
    assert await request == 200


async def test_a_drain_waits_for_a_request_that_is_still_sending_its_body_and_answers_it() -> None:
    served = Served()
    served.sends.clear()
    request = asyncio.create_task(served.ask())
    await turns()
    draining = asyncio.create_task(
        lifecycle.drain(served.gate, served.board, served.options, delay=False, sleep=served.sleep)
    )
    await turns()
    assert (served.gate.closed, draining.done()) == (True, False)
    served.release.set()
    served.sends.set()
    await draining
    assert await request == 200


async def test_a_request_whose_body_does_not_come_within_the_grace_period_is_told_so() -> None:
    served = Served(grace=0)
    served.sends.clear()
    request = asyncio.create_task(served.ask())
    await turns()
    await lifecycle.drain(served.gate, served.board, served.options, delay=False, sleep=served.sleep)
    assert await request == 503


async def test_what_is_not_done_within_the_grace_period_is_told_so() -> None:
    served = Served(grace=0)
    request = asyncio.create_task(served.ask())
    await turns()
    await lifecycle.drain(served.gate, served.board, served.options, delay=False, sleep=served.sleep)
    assert (await request, served.slept) == (503, [])


async def test_when_the_engine_is_lost_the_status_says_so_first_and_every_client_is_told() -> None:
    served = Served()
    request = asyncio.create_task(served.ask())
    await turns()
    error = FatalError("EngineDied", "It ended.", remedy="Look.")
    await lifecycle.fail(served.gate, served.board, error, sleep=served.sleep)
    assert served.slept == [(lifecycle.FAILED_SECONDS, "failed", False)]
    assert await request == 503


@pytest.mark.parametrize(("number", "delay"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
async def test_a_signal_makes_the_server_not_ready_before_anything_else(number: int, delay: bool) -> None:
    served = Served()
    ending = lifecycle.Ending(served.board)
    ending.signalled(number)
    assert (served.board.state.stage, ending.asked.is_set(), ending.delay) == ("draining", True, delay)


async def test_a_signal_while_the_server_says_why_it_failed_changes_nothing_of_that() -> None:
    served = Served()
    served.board.fail(FatalError("EngineDied", "It ended.", remedy="Look.").status())
    lifecycle.Ending(served.board).signalled(signal.SIGTERM)
    assert served.board.state.stage == "failed"


async def test_the_second_signal_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(lifecycle, "end_at_once", ended.append)
    ending = lifecycle.Ending(Served().board)
    ending.signalled(signal.SIGTERM)
    assert ended == []
    ending.signalled(signal.SIGTERM)
    assert ended == [1]


async def no_server() -> None:
    raise OSError("no such certificate")


async def no_application() -> None:
    sys.exit(3)


async def no_reason() -> None:
    return


@pytest.mark.parametrize(
    ("serving", "why"),
    [(no_server, "no such certificate"), (no_application, "status 3"), (no_reason, "nobody told it to")],
)
async def test_an_http_server_that_ends_by_itself_is_a_failure_and_no_end(
    serving: Callable[[], Awaitable[None]], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "FAILED_SECONDS", 0)
    monkeypatch.setattr(lifecycle, "kill_children", lambda: None)
    served = Served()
    watch = asyncio.get_running_loop().create_future()
    with pytest.raises(FatalError, match=why) as caught:
        await lifecycle.until_the_end(serving, lambda: None, watch, served.gate, served.board, served.options)
    assert caught.value.reason == "Internal"
    assert served.board.state.stage == "failed"
