"""An adapter is held from its look-up to the end of the answer, whatever task asks for it."""

import asyncio

from kaito.runtime.front.pins import Pins


async def test_an_adapter_is_held_until_the_last_request_with_it_has_ended() -> None:
    pins = Pins()
    first, second = asyncio.Event(), asyncio.Event()

    async def request(end: asyncio.Event) -> None:
        with pins.request():
            pins.hold(7)
            pins.hold(7)  # looked up twice, held once
            await end.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(request(first))
        group.create_task(request(second))
        await asyncio.sleep(0)
        free = group.create_task(pins.until_free(7))
        assert pins.count(7) == 2
        first.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (pins.count(7), free.done()) == (1, False)
        second.set()
    assert pins.count(7) == 0


async def test_a_task_that_a_request_starts_holds_for_the_request() -> None:
    pins = Pins()

    async def handler() -> None:
        pins.hold(3)

    with pins.request():
        await asyncio.create_task(handler())
        assert pins.count(3) == 1
    assert pins.count(3) == 0


async def test_requests_hold_apart_from_each_other_and_let_go_when_they_fail() -> None:
    pins = Pins()
    try:
        with pins.request():
            pins.hold(1)
            raise ValueError
    except ValueError:
        pass
    assert (pins.count(1), pins.count(2)) == (0, 0)
    await pins.until_free(1)


async def test_what_is_looked_up_outside_a_request_is_not_held() -> None:
    pins = Pins()
    pins.hold(5)
    assert pins.count(5) == 0


async def test_who_was_cancelled_while_waiting_does_not_harm_the_others() -> None:
    pins = Pins()
    with pins.request():
        pins.hold(1)
        gone = asyncio.create_task(pins.until_free(1))
        stays = asyncio.create_task(pins.until_free(1))
        await asyncio.sleep(0)
        gone.cancel()
    await stays
