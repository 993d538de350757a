"""Writing again when another was faster."""

import asyncio

import pytest

from kaito.core import ConflictError, Key, NotFoundError, Status, retry_on_conflict
from kaito.core.client.conflict import PAUSE_SECONDS, TRIES
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import VirtualClock


class Attempts:
    def __init__(self, *errors):
        self.errors, self.made = list(errors), 0

    async def __call__(self):
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def conflict():
    return ConflictError(Status(409, "Conflict", "changed"))


class Recorded(VirtualClock):
    def __init__(self):
        super().__init__()
        self.pauses = []

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize("conflicts", range(TRIES))
async def test_a_conflict_is_tried_again_up_to_five_times_in_all(conflicts):
    clock, attempts = Recorded(), Attempts(*(conflict() for _ in range(conflicts)))
    assert await retry_on_conflict(attempts, clock=clock, jitter=lambda: 0.0) == "done"
    assert attempts.made == conflicts + 1
    assert clock.pauses == [PAUSE_SECONDS] * conflicts


async def test_the_last_conflict_is_raised():
    clock, attempts = Recorded(), Attempts(*(conflict() for _ in range(TRIES)))
    with pytest.raises(ConflictError):
        await retry_on_conflict(attempts, clock=clock, jitter=lambda: 1.0)
    assert attempts.made == TRIES
    assert clock.pauses == pytest.approx([PAUSE_SECONDS * 1.1] * (TRIES - 1))


async def test_any_other_error_is_raised_at_once():
    attempts = Attempts(NotFoundError(Status(404, "NotFound", "gone")))
    with pytest.raises(NotFoundError):
        await retry_on_conflict(attempts, clock=Recorded())
    assert attempts.made == 1


async def test_two_writers_of_one_object_both_get_through(embedded):
    key = Key("default", "counter")
    await embedded.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "counter"}, "data": {"n": "0"}}
    )

    async def count():
        found = await embedded.get(CONFIG_MAP, key)
        found["data"]["n"] = str(int(found["data"]["n"]) + 1)
        await embedded.update(found)

    await asyncio.gather(*(retry_on_conflict(count) for _ in range(3)))
    assert (await embedded.get(CONFIG_MAP, key))["data"] == {"n": "3"}
