"""Groups of runnables: what is added when, and how they end."""

import asyncio

import pytest

from kaito.core import KaitoError
from kaito.core.manager.groups import RunnableGroup
from kaito.core.manager.supervision import Supervision
from kaito.testing import VirtualClock


class Runs:
    """Makes runnables that write down when they begin and end."""

    def __init__(self):
        self.log = []

    def __call__(self, name):
        async def run():
            self.log.append(f"{name} begins")
            try:
                await asyncio.Event().wait()
            finally:
                self.log.append(f"{name} ends")

        return run


@pytest.fixture
def runs():
    return Runs()


@pytest.fixture
def group():
    return RunnableGroup("things", Supervision(VirtualClock(), 30))


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_was_added_before_runs_with_the_group_and_ends_with_it(group, runs):
    group.add(runs("a"))
    group.add(runs("b"))
    await turns()
    assert runs.log == []
    async with group.running():
        await turns()
        assert runs.log == ["a begins", "b begins"]
    assert sorted(runs.log[2:]) == ["a ends", "b ends"]


async def test_what_is_added_while_it_runs_begins_at_once_and_ends_with_it(group, runs):
    async with group.running():
        group.add(runs("late"))
        await turns()
        assert runs.log == ["late begins"]
    assert runs.log == ["late begins", "late ends"]


async def test_a_runnable_may_add_another(group, runs):
    async def adding():
        group.add(runs("added"))

    group.add(adding)
    async with group.running():
        await turns()
        assert runs.log == ["added begins"]


async def test_what_is_added_while_it_ends_or_later_is_refused(group, runs):
    refused = []

    async def adding_at_the_end():
        try:
            await asyncio.Event().wait()
        finally:
            try:
                group.add(runs("too late"))
            except KaitoError as error:
                refused.append(error.reason)

    group.add(adding_at_the_end)
    async with group.running():
        await turns()
    with pytest.raises(KaitoError, match="ManagerStopped"):
        group.add(runs("later"))
    assert refused == ["ManagerStopped"]
    assert runs.log == []


async def test_it_ends_when_the_slowest_has_ended(group):
    ended = asyncio.Event()

    async def slow():
        try:
            await asyncio.Event().wait()
        finally:
            await turns()
            ended.set()

    group.add(slow)
    async with group.running():
        await turns()
    assert ended.is_set()


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_runnable_that_returns_or_was_cancelled_is_no_failure(group, runs, cancelled):
    async def over():
        if cancelled:
            raise asyncio.CancelledError

    group.add(over)
    group.add(runs("other"))
    async with group.running():
        await turns()
        assert runs.log == ["other begins"]


async def test_a_runnable_that_fails_ends_the_group_with_its_error(group, runs):
    async def fail():
        raise KaitoError("Broken", "it broke")

    group.add(runs("other"))
    group.add(fail)
    with pytest.raises(ExceptionGroup) as caught:
        async with group.running():
            await asyncio.Event().wait()
    assert [error.reason for error in caught.value.exceptions] == ["Broken"]
    assert runs.log == ["other begins", "other ends"]


async def test_it_is_ready_when_all_in_it_are(group, runs):
    gates = [asyncio.Event() for _ in range(2)]
    for gate in gates:
        group.add(runs("x"), gate.wait)
    group.add(runs("ready without being asked"))
    async with group.running():
        waiting = asyncio.create_task(group.wait_until_ready())
        for gate in gates:
            await turns()
            assert not waiting.done()
            gate.set()
        await waiting


async def test_an_empty_group_is_ready(group):
    await group.wait_until_ready()
    async with group.running():
        await group.wait_until_ready()
