"""What a block leaves behind is found, whatever it is; what ends in time is not."""

import asyncio
import socket
import threading

import pytest

from kaito.core import run
from kaito.testing import LeakError, no_leaks


async def test_a_task_that_outlives_its_block_is_named_with_its_place() -> None:
    async def forgotten() -> None:
        await asyncio.Event().wait()

    with pytest.raises(LeakError, match=r"task 'lost' at .*test_leaks\.py"):
        async with no_leaks(grace=0):
            task = asyncio.create_task(forgotten(), name="lost")
    task.cancel()


async def test_a_socket_that_nobody_closes_is_named_with_its_address() -> None:
    with pytest.raises(LeakError, match=r"socket \d+ on \('127\.0\.0\.1', \d+\)"):
        async with no_leaks(grace=0):
            left = socket.create_server(("127.0.0.1", 0))
    left.close()


async def test_a_thread_that_nobody_joins_is_named() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="worker")
    with pytest.raises(LeakError, match="thread 'worker'"):
        async with no_leaks(grace=0):
            thread.start()
    end.set()
    thread.join()


async def test_what_was_there_before_is_nobody_elses_leak() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    async with no_leaks():
        pass
    task.cancel()


async def test_what_ends_within_the_grace_is_no_leak() -> None:
    async with no_leaks():
        task = asyncio.create_task(asyncio.sleep(0.02))
        await asyncio.to_thread(lambda: None)
    assert task.done()


def test_threads_of_the_loop_that_operators_run_on_are_no_leak() -> None:
    async def work() -> None:
        async with no_leaks(grace=0):
            await asyncio.to_thread(lambda: None)

    run(work())


async def test_a_failure_of_the_block_is_what_the_test_hears_of() -> None:
    tasks = []

    async def fail() -> None:
        tasks.append(asyncio.create_task(asyncio.Event().wait()))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with no_leaks(grace=0):
            await fail()
    tasks[0].cancel()
