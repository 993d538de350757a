"""The recorder: what it writes and tries again, and that nobody waits for it."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from kaito.core import AlreadyExistsError, ApiError, ConnectionLostError, EventRecorder, NotFoundError, Status
from kaito.testing import VirtualClock

THING = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "ns", "uid": "u"}}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}


class FakeClient:
    """Takes what is written, or raises the next of `errors`; None among them lets one through."""

    def __init__(self):
        self.created, self.patched, self.errors, self.asked = [], [], [], 0
        self.hold = None

    async def create(self, obj):
        await self._answer()
        self.created.append(dict(obj))

    async def patch(self, _kind, key, body):
        await self._answer()
        self.patched.append((key, body))

    async def _answer(self):
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error


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
async def running(client, clock, registry):
    tasks = []

    def make(**options):
        recorder = EventRecorder(client, "echo", clock, registry, jitter=lambda: 0.5, **options)
        tasks.append(asyncio.create_task(recorder.run()))
        return recorder

    yield make
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


@pytest.fixture
async def recorder(running):
    return running()


@pytest.fixture
def dropped(registry):
    return lambda cause: registry.get_sample_value("kaito_core_events_dropped_total", {"cause": cause})


async def test_an_event_says_who_what_when_and_about_whom(recorder, client, clock):
    recorder.record(THING, "Normal", "Made", "made it", action="Make", related=NODE)
    await clock.settle()
    (event,) = client.created
    name = event["metadata"].pop("name")
    assert name.startswith("a.")
    assert event.pop("reportingInstance").startswith("echo-")
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "ns"},
        "involvedObject": {
            "apiVersion": "example.org/v1",
            "kind": "Thing",
            "namespace": "ns",
            "name": "a",
            "uid": "u",
        },
        "related": {"apiVersion": "v1", "kind": "Node", "name": "n"},
        "type": "Normal",
        "reason": "Made",
        "message": "made it",
        "action": "Make",
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "source": {"component": "echo"},
        "reportingComponent": "echo",
        "count": 1,
    }


async def test_what_happened_before_it_is_told_stands_before_what_came_of_it(recorder, client, clock):
    at = clock.now()
    await clock.advance(1)
    recorder.record(THING, "Normal", "Used", "others used it")
    recorder.record(THING, "Normal", "Made", "made it", at=at)
    await clock.settle()
    used, made = client.created
    assert made["lastTimestamp"] == "2026-01-01T00:00:00Z" < used["lastTimestamp"]
    assert made["metadata"]["name"] < used["metadata"]["name"]


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
    assert [body for _, body in client.patched] == [
        {"count": 2, "lastTimestamp": "2026-01-01T00:00:01Z"},
        {"count": 3, "lastTimestamp": "2026-01-01T00:00:02Z"},
    ]
    assert client.patched[0][0].name == client.created[0]["metadata"]["name"]


@pytest.mark.parametrize("api", ["v1", "events.k8s.io/v1"])
async def test_an_event_that_expired_on_the_server_is_made_again_without_a_resource_version(
    running, client, clock, api
):
    recorder = running(api=api)
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.settle()
    client.errors.append(NotFoundError(Status(404, "NotFound", "gone")))
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.settle()
    first, second = client.created
    assert second["metadata"] == first["metadata"]
    assert "resourceVersion" not in second["metadata"]
    assert (second.get("count") or second["series"]["count"]) == 2


async def test_a_lost_connection_is_tried_twelve_times_ten_seconds_apart_the_first_pause_being_by_chance(
    recorder, client, clock, dropped
):
    client.errors.extend(ConnectionLostError("x") for _ in range(12))
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.advance(4.9)
    assert client.asked == 1
    await clock.advance(0.2)
    assert client.asked == 2
    await clock.advance(100)
    assert client.asked == 12
    await clock.advance(10)
    assert dropped("unreachable") == 1
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.settle()
    assert client.created[0]["count"] == 2


async def test_a_refusal_is_not_tried_again(recorder, client, clock, dropped):
    client.errors.append(ApiError(Status(403, "Forbidden", "no")))
    recorder.record(THING, "Normal", "Other", "x")
    await clock.advance(1_000)
    assert client.asked == 1
    assert dropped("refused") == 1


async def test_a_create_whose_answer_was_lost_is_found_to_have_happened(recorder, client, clock, dropped):
    client.errors += [ConnectionLostError("x"), AlreadyExistsError(Status(409, "AlreadyExists", "there"))]
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.advance(6)
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.settle()
    assert client.created == []
    assert client.patched[0][1]["count"] == 2
    assert dropped("refused") is None


async def test_a_dead_server_never_blocks_the_caller(client, clock, registry, dropped):
    recorder = EventRecorder(client, "echo", clock, registry)
    for number in range(1_500):
        recorder.record(THING, "Normal", "Made", str(number))
    assert dropped("queue_full") == 500


@pytest.mark.parametrize("api", ["v1", "events.k8s.io/v1"])
async def test_a_stop_among_writes_that_hang_leaves_no_task(running, client, clock, api):
    before = asyncio.all_tasks()
    client.hold = asyncio.Event()
    recorder = EventRecorder(client, "echo", clock, api=api)
    task = asyncio.create_task(recorder.run())
    for number in range(5):
        recorder.record(THING, "Normal", "Made", str(number))
    await clock.settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert asyncio.all_tasks() == before


async def test_one_object_cannot_flood_the_server(recorder, client, clock, dropped):
    for number in range(40):
        recorder.record(THING, "Normal", "Made", str(number))
    recorder.record(NODE, "Normal", "Made", "other")
    await clock.settle()
    assert client.asked == 26
    assert dropped("rate") == 15


async def test_a_long_message_is_shortened_to_what_the_server_takes(recorder, client, clock):
    recorder.record(THING, "Normal", "Made", "x" * 5_000)
    recorder.record(THING, "Normal", "Made", "ü" * 600)
    await clock.settle()
    assert [len(event["message"].encode()) for event in client.created] == [1_024, 1_023]


async def test_an_object_whose_name_no_event_can_have_gets_its_events_all_the_same(recorder, client, clock):
    for name in ("system:controller:x", "a" * 253):
        recorder.record({**NODE, "metadata": {"name": name}}, "Normal", "Made", "made it")
    await clock.settle()
    assert [event["metadata"]["name"].partition(".")[0] for event in client.created] == ["event", "event"]
    assert client.created[0]["involvedObject"]["name"] == "system:controller:x"


async def test_one_series_comes_of_many_who_record_at_once(running, client, clock):
    client.hold = asyncio.Event()
    recorder = running(api="events.k8s.io/v1")

    async def record():
        recorder.record(THING, "Normal", "Made", "made it", action="Make")

    await asyncio.gather(*(record() for _ in range(50)))
    await clock.settle()
    client.hold.set()
    await clock.settle()
    assert len(client.created) == 1
    assert [body["series"]["count"] for _, body in client.patched] == [2]


async def test_what_a_series_counted_is_written_after_half_an_hour_and_at_the_end(running, client, clock):
    recorder = running(api="events.k8s.io/v1")
    for _ in range(40):
        recorder.record(THING, "Normal", "Made", "made it")
        await clock.advance(60)
    assert [body["series"]["count"] for _, body in client.patched] == [2, 36]
    await recorder.flush()
    assert [body["series"]["count"] for _, body in client.patched] == [2, 36, 40]


async def test_a_series_that_was_quiet_for_six_minutes_is_over(running, client, clock):
    recorder = running(api="events.k8s.io/v1")
    for _ in range(3):
        recorder.record(THING, "Normal", "Made", "made it")
    await clock.advance(361)
    assert [body["series"]["count"] for _, body in client.patched] == [2, 3]
    recorder.record(THING, "Normal", "Made", "made it")
    await clock.settle()
    assert len(client.created) == 2
