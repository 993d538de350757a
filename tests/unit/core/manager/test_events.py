"""Events are written in the background, and repeats are counted."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from kaito.core import ApiError, ConnectionLostError, EventRecorder, NotFoundError, Status
from kaito.testing import VirtualClock

THING = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "ns", "uid": "u"}}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}


class FakeClient:
    def __init__(self):
        self.created, self.patched, self.errors = [], [], []

    async def create(self, obj):
        if self.errors:
            raise self.errors.pop(0)
        self.created.append(obj)

    async def patch(self, _kind, key, body):
        if self.errors:
            raise self.errors.pop(0)
        self.patched.append((key, body))


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def client():
    return FakeClient()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
async def recorder(client, clock, registry):
    made = EventRecorder(client, "echo", clock, registry)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


async def test_an_event_says_who_what_when_and_about_whom(recorder, client, clock):
    recorder.record(THING, "Normal", "Made", "made it", action="Make")
    await clock.settle()
    (event,) = client.created
    assert event["metadata"]["namespace"] == "ns"
    assert event["metadata"]["name"].startswith("a.")
    assert event["involvedObject"] == {
        "apiVersion": "example.org/v1",
        "kind": "Thing",
        "namespace": "ns",
        "name": "a",
        "uid": "u",
    }
    assert (event["type"], event["reason"], event["message"], event["action"]) == ("Normal", "Made", "made it", "Make")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"
    assert event["source"] == {"component": "echo"}
    assert event["count"] == 1


async def test_the_events_of_a_cluster_scoped_object_are_in_default(recorder, client, clock):
    recorder.record(NODE, "Warning", "Lost", "lost it")
    await clock.settle()
    assert client.created[0]["metadata"]["namespace"] == "default"


async def test_repeats_are_counted_in_one_event(recorder, client, clock):
    for _ in range(3):
        recorder.record(THING, "Normal", "Made", "made it")
        await clock.advance(1)
    recorder.record(THING, "Normal", "Made", "made another")
    await clock.settle()
    assert len(client.created) == 2
    assert [body["count"] for _, body in client.patched] == [2, 3]
    assert client.patched[-1][1]["lastTimestamp"] == "2026-01-01T00:00:02Z"
    assert client.patched[0][0].name == client.created[0]["metadata"]["name"]


async def test_an_event_that_expired_on_the_server_is_made_again(recorder, client, clock):
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.settle()
    client.errors.append(NotFoundError(Status(404, "NotFound", "gone")))
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.settle()
    assert len(client.created) == 2


async def test_a_lost_connection_is_tried_again_a_refusal_is_not(recorder, client, clock, registry):
    client.errors.extend([ConnectionLostError("x"), ConnectionLostError("x")])
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.advance(21)
    assert len(client.created) == 1
    client.errors.append(ApiError(Status(403, "Forbidden", "no")))
    recorder.record(THING, "Normal", "Other", "x")
    await clock.settle()
    assert len(client.created) == 1
    assert registry.get_sample_value("kaito_core_events_dropped_total", {"cause": "refused"}) == 1


async def test_a_dead_server_never_blocks_the_caller(client, clock, registry):
    recorder = EventRecorder(client, "echo", clock, registry)
    for number in range(1_500):
        recorder.record(THING, "Normal", "Made", str(number))
    assert registry.get_sample_value("kaito_core_events_dropped_total", {"cause": "queue_full"}) == 500


async def test_one_object_cannot_flood_the_server(recorder, client, clock):
    for number in range(40):
        recorder.record(THING, "Normal", "Made", str(number))
    recorder.record(NODE, "Normal", "Made", "other")
    await clock.settle()
    assert len(client.created) == 26
    await clock.advance(300)
    recorder.record(THING, "Normal", "Made", "later")
    recorder.record(THING, "Normal", "Made", "too soon")
    await clock.settle()
    assert len(client.created) == 27


async def test_a_long_message_is_shortened(recorder, client, clock):
    recorder.record(THING, "Normal", "Made", "x" * 5_000)
    await clock.settle()
    assert len(client.created[0]["message"]) == 1_024
