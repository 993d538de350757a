"""Leases in memory: conditional writes, watches, and faults on purpose. Time is virtual."""

import asyncio
import copy
from datetime import timedelta

import pytest

from kaito.core import ConnectionLostError, Key, Status, WatchEvent, api_error
from kaito.core.election import Leadership
from kaito.testing import VirtualClock

KEY = Key("kaito-system", "kaito-controller")


def refused(code, reason):
    return api_error(Status(code, reason, reason))


class Skewed:
    """A clock whose wall time is off, as those of two machines are, and may jump."""

    def __init__(self, clock, hours):
        self._clock, self.skew = clock, timedelta(hours=hours)
        self.monotonic, self.sleep = clock.monotonic, clock.sleep

    def now(self):
        return self._clock.now() + self.skew


class LeaseServer:
    """Holds one Lease, with the rules of the API server."""

    def __init__(self):
        self.lease, self.version, self.watchers = None, 0, set()

    def read(self):
        if self.lease is None:
            raise refused(404, "NotFound")
        return copy.deepcopy(self.lease)

    def write(self, lease, *, create):
        if create != (self.lease is None):
            raise refused(409, "AlreadyExists") if create else refused(404, "NotFound")
        if not create and lease["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise refused(409, "Conflict")
        self.version += 1
        self.lease = copy.deepcopy(lease)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        self._tell("ADDED" if create else "MODIFIED")
        return copy.deepcopy(self.lease)

    def delete(self):
        if self.lease is not None:
            self._tell("DELETED")
            self.lease = None

    def _tell(self, event):
        for queue in self.watchers:
            queue.put_nowait(WatchEvent(event, copy.deepcopy(self.lease)))


class LeaseClient:
    """One replica's way to the server. `fault(verb)` runs before and `answer(verb)` after what the server does."""

    def __init__(self, server):
        self.server, self.requests, self.watches = server, [], 0
        self.cut_off = False

    async def fault(self, verb):
        if self.cut_off:
            raise ConnectionLostError("no route")

    async def answer(self, verb):
        return None

    async def get(self, _kind, _key):
        return await self._do("get", self.server.read)

    async def create(self, lease):
        return await self._do("create", lambda: self.server.write(lease, create=True))

    async def update(self, lease):
        return await self._do("update", lambda: self.server.write(lease, create=False))

    async def _do(self, verb, what):
        self.requests.append(verb)
        await self.fault(verb)
        result = what()
        await self.answer(verb)
        return result

    async def watch(self, _kind, _namespace, *, resource_version, fields):
        assert fields == f"metadata.name={KEY.name}"
        self.watches += 1
        await self.fault("watch")
        queue = asyncio.Queue()
        self.server.watchers.add(queue)
        lease = self.server.lease
        if lease is not None and lease["metadata"]["resourceVersion"] != resource_version:
            queue.put_nowait(WatchEvent("MODIFIED" if resource_version else "ADDED", self.server.read()))
        elif lease is None and resource_version:
            queue.put_nowait(WatchEvent("DELETED", {}))
        try:
            while True:
                event = await queue.get()
                await self.answer("watch")
                yield event
        finally:
            self.server.watchers.discard(queue)


class Replica:
    """Campaigns, leads, dies when it lost; `lead` holds when its leadership began and ended."""

    def __init__(self, name, server, clock, *, client=None, jitter=lambda: 0.5, skew=0.0):
        self.client = client or LeaseClient(server)
        self.clock, self.slow_paths = Skewed(clock, skew), []
        self.leadership = Leadership(
            self.client,
            KEY,
            name,
            clock=self.clock,
            jitter=jitter,
            on_slow_path=lambda: self.slow_paths.append(clock.monotonic()),
        )
        self.task, self.lost = None, None

    @property
    def leads(self):
        return self.leadership.held

    def start(self):
        self.task = asyncio.create_task(self._run())
        return self

    async def _run(self):
        await self.leadership.acquire()
        await self.leadership.keep()

    async def kill(self):
        self.task.cancel()
        await asyncio.wait((self.task,))

    async def stop(self):
        await self.kill()
        await self.leadership.release()


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def server():
    return LeaseServer()


@pytest.fixture
async def replica(server, clock):
    made = []

    def make(name, **options):
        made.append(Replica(name, server, clock, **options).start())
        return made[-1]

    yield make
    for one in made:
        await one.kill()
        if not one.task.cancelled():
            one.task.exception()


@pytest.fixture
def replica_class():
    return Replica, LeaseServer
