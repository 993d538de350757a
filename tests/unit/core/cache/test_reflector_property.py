"""Whatever happens on the wire, down to its bytes: a cache ends as its server is, each change told once."""

import asyncio
import logging
import random
from bisect import bisect_right
from collections import Counter
from contextlib import asynccontextmanager

import orjson
import pytest
import structlog

from kaito.core import Cache, Client, Kind
from kaito.core.cache import ReflectorSettings
from kaito.core.errors import ConnectionLostError, Status, api_error
from kaito.testing import LoopClock, run

THING = Kind("example.org/v1", "Thing", dict, plural="things", namespaced=True)
SEQUENCES = 400
AT_A_TIME = 40
TROUBLED_SECONDS = 400.0
SETTLING_SECONDS = 400.0
REQUESTS_A_MINUTE = 90

EXPIRED = Status(410, "Expired", "too old resource version")
STATUSES = [
    EXPIRED,
    Status(429, "TooManyRequests", "busy"),
    Status(500, "InternalError", "etcdserver: no leader"),
    Status(504, "Timeout", "Too large resource version: 9, current: 3"),
    Status(404, "NotFound", ""),
    Status(422, "Invalid", ""),
]
TABLE = b'{"type":"ADDED","object":{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"name":"t"}}}\n'
NOT_LISTS = [b"", b"garbage", b'{"kind":"ThingList","items":[{"a', b'{"kind":"Table","rows":[]}', b"{}", b"[]"]


def line(kind, obj):
    return orjson.dumps({"type": kind, "object": obj}) + b"\n"


async def as_lines(body):
    for start in range(0, len(body), 200):
        yield body[start : start + 200]


class Server:
    """Things by name, what happened to them, and luck that is bad until it is told to be good."""

    def __init__(self, chance):
        self.chance = chance
        self.version, self.oldest = 100, 0
        self.objects = {}
        self.history = []
        self.versions, self.past = [0, 100], [{}, {}]
        self.snapshots = {}
        self.changed = asyncio.Event()
        self.bad_luck = 0.7
        self.dark_until = 0.0
        self.dark_status = None
        self.requests = []
        self.open = 0
        self.troubles = Counter()

    def unlucky(self, trouble):
        struck = self.chance.random() < self.bad_luck
        self.troubles[trouble] += struck
        return struck

    def change(self):
        self.version += self.chance.randint(1, 3)
        name = self.chance.choice("abcdef")
        old = self.objects.get(name)
        if old is not None and self.chance.random() < 0.35:
            del self.objects[name]
            old = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
            self.history.append((self.version, "DELETED", old))
        else:
            uid = old["metadata"]["uid"] if old else f"{name}{self.version}"
            metadata = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(self.version)}
            obj = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": metadata, "x": "é" * 9}
            self.objects[name] = obj
            self.history.append((self.version, "MODIFIED" if old else "ADDED", obj))
        if self.chance.random() < 0.1:
            self.oldest = self.version
        self.versions.append(self.version)
        self.past.append(self.held())
        self.changed.set()
        self.changed = asyncio.Event()

    def held(self):
        return {name: obj["metadata"]["resourceVersion"] for name, obj in self.objects.items()}

    def at(self, version):
        """Return what there was at a version, which may have been that of a bookmark between two changes."""
        return self.past[bisect_right(self.versions, version) - 1]

    async def live(self, seconds, check):
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self.chance.expovariate(1 / 12))
            check()
            for _ in range(self.chance.randrange(4)):
                self.change()
            if self.chance.random() < self.bad_luck / 10:
                self.dark_until = asyncio.get_running_loop().time() + 60
                self.dark_status = self.chance.choice((None, *STATUSES))

    def asked(self, params):
        if "continue" not in params:
            now = asyncio.get_running_loop().time()
            self.requests = [moment for moment in self.requests if moment > now - 60] + [now]
            assert len(self.requests) <= REQUESTS_A_MINUTE
        if asyncio.get_running_loop().time() < self.dark_until:
            self.troubles["dark"] += 1
            if self.dark_status is None:
                raise ConnectionLostError("connection refused")
            raise api_error(self.dark_status)

    def refuse(self):
        if self.chance.random() < 0.4:
            raise ConnectionLostError("connection refused")
        raise api_error(self.chance.choice(STATUSES), retry_after=self.chance.choice((None, 2.0)))

    async def list(self, params):
        await asyncio.sleep(0.01)
        self.asked(params)
        if self.unlucky("list"):
            if self.chance.random() < 0.5:
                return self.chance.choice(NOT_LISTS)
            self.refuse()
        version, _, begin = params.get("continue", f"{self.version}:0").partition(":")
        items = self.snapshots.setdefault(int(version), sorted(self.objects.items()))
        begin, end = int(begin), int(begin) + int(params.get("limit", 100))
        more = {"continue": f"{version}:{end}"} if end < len(items) else {}
        metadata = {"resourceVersion": version, **more}
        return orjson.dumps({"kind": "ThingList", "metadata": metadata, "items": [obj for _, obj in items[begin:end]]})

    @asynccontextmanager
    async def stream(self, _path, params, _headers=None):
        if "watch" not in params:
            yield self.cut(as_lines(await self.list(params)))
            return
        await asyncio.sleep(0.01)
        self.asked(params)
        if self.unlucky("refused") and self.chance.random() < 0.5:
            self.refuse()
        self.open += 1
        chunks = self.cut(self.troubled(self.lines(params)))
        try:
            yield chunks
        finally:
            self.open -= 1
            await chunks.aclose()

    async def lines(self, params):
        """Yield what a good server would send, one line at a time."""
        end = asyncio.get_running_loop().time() + int(params["timeoutSeconds"])
        seen = int(params.get("resourceVersion", "0"))
        if "sendInitialEvents" in params:
            begun = self.version
            for obj in list(self.objects.values()):
                yield line("ADDED", obj)
            await asyncio.sleep(self.chance.choice((0, 0, 30)))
            for _, kind, obj in [event for event in self.history if event[0] > begun]:
                yield line(kind, obj)
            seen = self.version
            annotations = {"k8s.io/initial-events-end": "true"}
            yield line("BOOKMARK", {"metadata": {"resourceVersion": str(seen), "annotations": annotations}})
        elif seen < self.oldest:
            yield line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
            return
        while (left := end - asyncio.get_running_loop().time()) > 0:
            for version, kind, obj in [event for event in self.history if event[0] > seen]:
                seen = version
                yield line(kind, obj)
            changed = self.changed
            try:
                async with asyncio.timeout(min(left, 60)):
                    await changed.wait()
            except TimeoutError:
                seen = max(seen, self.version)
                yield line("BOOKMARK", {"metadata": {"resourceVersion": str(seen)}})

    async def troubled(self, lines):
        """Yield the lines up to a moment at which something happens."""
        after = self.chance.choice((0, 0, 1, 2, 5, 20)) if self.unlucky("watch") else -1
        async for one in lines:
            if after == 0:
                trouble = self.chance.choice(("end", "half", "lost", "garbage", "silent", "error", "foreign"))
                self.troubles[trouble] += 1
                if trouble == "half":
                    yield one[: self.chance.randrange(1, len(one))]
                elif trouble == "lost":
                    yield one[: self.chance.randrange(len(one))]
                    raise ConnectionLostError("connection reset")
                elif trouble == "garbage":
                    yield b'{"type":"ADDED","obj\n'
                elif trouble == "silent":
                    await asyncio.sleep(80)
                    raise ConnectionLostError("nothing for 80 s")
                elif trouble == "error":
                    status = self.chance.choice(STATUSES)
                    yield line("ERROR", {"kind": "Status", "code": status.code, "reason": status.reason})
                elif trouble == "foreign":
                    yield TABLE + line("INVENTED", {"metadata": {"name": "x"}}) + one
                if trouble not in ("foreign", "garbage"):
                    return
            else:
                yield one
            after -= 1

    async def cut(self, lines):
        """Yield the bytes in chunks of any size."""
        async for one in lines:
            at = self.chance.randrange(len(one) + 1)
            for part in (one[:at], one[at:]):
                if part:
                    yield part


class Listener:
    """Follows what a cache tells, and holds every word against what was told before."""

    def __init__(self, cache, server):
        self.cache, self.server = cache, server
        self.known = {}

    def __call__(self, event):
        before = self.known.get(event.key)
        if event.type == "DELETED":
            assert before is not None
            assert self.happened(event.key, lambda version, kind: kind == "DELETED" and version > before)
            del self.known[event.key]
            assert self.cache.entry(THING, event.key) is None
        else:
            version = int(event.new.metadata.resource_version)
            assert (before is None) is (event.type == "ADDED")
            assert before is None or before < version
            assert self.happened(event.key, lambda was, kind: was == version and kind != "DELETED")
            self.known[event.key] = version
            assert self.cache.entry(THING, event.key) is event.new

    def happened(self, key, what):
        return any(
            what(version, kind) for version, kind, obj in self.server.history if obj["metadata"]["name"] == key.name
        )

    def check(self):
        """Hold what is cached against what there was at its version, and against what was told."""
        store = self.cache.register(THING).store
        held = {entry.key.name: entry.metadata.resource_version for entry in self.cache.entries(THING)}
        assert held == self.server.at(int(store.resource_version() or 0))
        assert held == {key.name: str(version) for key, version in self.known.items()}


async def sequence(seed):
    chance = random.Random(seed)
    server = Server(chance)
    client = Client(server, field_manager="test")
    settings = ReflectorSettings(streaming=chance.random() < 0.7, page_size=3)
    cache = Cache(client, clock=LoopClock(), jitter=chance.random, reflector=settings)
    listener = Listener(cache, server)
    failed = []

    def hear(event):
        try:
            listener(event)
        except AssertionError as error:
            failed.append((event, error))

    cache.register(THING)
    cache.subscribe(THING, hear)
    running = asyncio.create_task(cache.run())
    await server.live(TROUBLED_SECONDS, listener.check)
    server.bad_luck = 0.0
    await server.live(SETTLING_SECONDS, lambda: None)
    await asyncio.sleep(90)
    assert not running.done()
    assert not failed
    listener.check()
    assert server.held() == server.at(int(cache.register(THING).store.resource_version()))
    running.cancel()
    await asyncio.wait([running])
    await asyncio.sleep(0)
    assert server.open == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return server.troubles


def check(seeds):
    async def all_of_them():
        troubles = Counter()
        for seed in seeds:
            try:
                troubles += await sequence(seed)
            except BaseException:
                print(f"sequence of seed {seed}")
                raise
        return troubles

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return run(all_of_them())
    finally:
        structlog.reset_defaults()


@pytest.mark.parametrize("first", range(0, SEQUENCES, AT_A_TIME))
def test_any_trouble_on_the_wire_ends_with_the_servers_objects_each_change_told_once(first):
    troubles = check(range(first, first + AT_A_TIME))
    assert {"dark", "half", "lost", "garbage", "silent", "error", "foreign", "end"} <= troubles.keys()


@pytest.mark.soak
def test_any_trouble_on_the_wire_in_the_long_run():
    first = random.SystemRandom().randrange(1 << 32)
    print(f"sequences from seed {first} on")
    check(range(first, first + 25 * SEQUENCES))
