"""The client process of bench/runtime against a small server, and the meter of a server's processes."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from bench.runtime.clients import clients
from bench.runtime.tree import cpu_seconds, memory_mib, session_processes

EVENTS = [b'data: {"choices":[{"text":"a"}]}\n\n', b"data: [DONE]\n\n"]


async def _completion(request: web.Request) -> web.Response:
    body = await request.json()
    if body["model"] == "unknown":
        return web.json_response({"detail": "no"}, status=404)
    return web.json_response({"choices": [{"text": f"{body['model']} says yes"}]})


async def _stream(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    answer = web.StreamResponse()
    await answer.prepare(request)
    for event in EVENTS if body["model"] == "good" else EVENTS[:1]:
        await answer.write(event)
    return answer


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    application = web.Application()
    application.add_routes([web.post("/plain", _completion), web.post("/stream", _stream)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_bodies_are_taken_in_turns_and_the_texts_come_back() -> None:
    bodies = [{"model": "one"}, {"model": "two"}, {"model": "unknown"}]
    async with server() as url:
        with clients() as asking:
            asked = await asyncio.to_thread(asking.ask, f"{url}/plain", bodies, concurrency=2, requests=6, texts=True)
    assert sorted(answer.text for answer in asked.answers) == ["", "", *["one says yes"] * 2, *["two says yes"] * 2]
    assert asked.failed() == 2
    assert all(answer.end >= answer.begin for answer in asked.answers)


async def test_a_stream_that_ends_early_is_no_whole_answer() -> None:
    async with server() as url:
        with clients() as asking:
            good = await asyncio.to_thread(asking.ask, f"{url}/stream", [{"model": "good"}], requests=2, stream=True)
            cut = await asyncio.to_thread(asking.ask, f"{url}/stream", [{"model": "cut"}], requests=2, stream=True)
    assert (good.failed(), cut.failed()) == (0, 2)


async def test_an_order_without_a_number_goes_on_until_it_is_ended_and_nobody_listening_is_a_failure() -> None:
    async with server() as url:
        with clients() as asking:
            number = asking.begin(f"{url}/plain", [{"model": "one"}], concurrency=2)
            await asyncio.to_thread(asking.ask, f"{url}/plain", [{"model": "two"}], requests=3)
            assert (await asyncio.to_thread(asking.finish, number)).failed() == 0
            refused = await asyncio.to_thread(asking.ask, "http://127.0.0.1:9/plain", [{"model": "one"}], requests=1)
    assert [answer.status for answer in refused.answers] == [0]
    assert refused.failed() == 1


def test_cpu_counts_threads_that_have_ended() -> None:
    before = cpu_seconds([os.getpid()])

    def work() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert cpu_seconds([os.getpid()]) - before >= 0.05


def test_memory_is_that_of_living_processes() -> None:
    found = memory_mib([os.getpid()])
    assert found["RSS"] >= found["PSS"] > 0
    assert memory_mib([2**22 + 1]) == {"RSS": 0.0, "PSS": 0.0, "private": 0.0}
    assert os.getpid() in session_processes(os.getsid(0))
