"""Pods made in growing batches, and what is said of them."""

from typing import Any

import pytest

from kaito.core import ForbiddenError, NotFoundError
from kaito.core.errors import Status
from kaito.local.controllers.pod_writes import PodWrites

OWNER = {"kind": "Job", "metadata": {"name": "tune", "namespace": "default", "uid": "j"}}


def pods(count: int) -> list[dict[str, Any]]:
    return [
        {"metadata": {"name": f"p{number}", "namespace": "default", "uid": f"u{number}"}} for number in range(count)
    ]


class World:
    """A client that takes `room` pods and knows the named ones, and the recorder of what is said."""

    def __init__(self, room: int = 100, known: tuple[str, ...] = ()) -> None:
        self.room = room
        self.known = known
        self.asked: list[str] = []
        self.deleted: list[tuple[str, str]] = []
        self.said: list[tuple[str, str, str]] = []

    async def create(self, pod: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(pod["metadata"]["name"])
        if len(self.asked) > self.room:
            raise ForbiddenError(Status(403, "Forbidden", "exceeded quota"))
        return pod

    async def delete(self, kind: Any, key: Any, *, uid: str) -> None:
        if key.name not in self.known:
            raise NotFoundError(Status(404, "NotFound", f'pods "{key.name}" not found'))
        self.deleted.append((key.name, uid))

    def record(self, owner: Any, kind: str, reason: str, message: str) -> None:
        assert owner is OWNER
        self.said.append((kind, reason, message))


def writes(world: Any) -> PodWrites:
    return PodWrites(world, world)


@pytest.mark.parametrize(
    ("room", "asked"),
    [(0, 1), (1, 3), (2, 3), (3, 7), (6, 7), (7, 10), (10, 10)],
)
async def test_a_refusal_costs_no_more_than_the_batch_that_it_came_in(room: int, asked: int) -> None:
    world = World(room)
    if room == 10:
        await writes(world).create(OWNER, pods(10))
    else:
        with pytest.raises(ForbiddenError, match="exceeded quota"):
            await writes(world).create(OWNER, pods(10))
    assert world.asked == [f"p{number}" for number in range(asked)]
    made = [("Normal", "SuccessfulCreate", f"Created pod: p{number}") for number in range(room)]
    assert world.said == made + [("Warning", "FailedCreate", "Error creating: exceeded quota")] * (asked - room)


async def test_a_pod_that_has_gone_already_is_passed_over_and_not_said_to_be_deleted() -> None:
    world = World(known=("p1",))
    await writes(world).delete(OWNER, pods(3))
    assert world.deleted == [("p1", "u1")]
    assert world.said == [("Normal", "SuccessfulDelete", "Deleted pod: p1")]
