"""Whatever a server does, and in whatever order: the decisions of a reflector keep a store right and leave it in peace.

A model of a server and of the driver, in memory and virtual time; every sequence is its seed.
"""

import random
from bisect import bisect_right
from collections import deque

import pytest

from kaito.core.cache import ReflectorSettings
from kaito.core.cache.exchange import (
    Begin,
    FetchPage,
    ListFailed,
    OpenWatch,
    PageListed,
    StreamBroken,
    StreamList,
    StreamRefused,
    WatchEnded,
    WatchRefused,
)
from kaito.core.cache.list_watch import Moment, State, step
from kaito.core.errors import ConnectionLostError, Status, api_error

SEQUENCES = 10_000
ROUNDS = 12
REQUESTS_A_MINUTE = 40

EXPIRED = api_error(Status(410, "Expired", "too old resource version"))
LOST = ConnectionLostError("reset")
REFUSALS = [
    LOST,
    EXPIRED,
    api_error(Status(429, "TooManyRequests", "busy")),
    api_error(Status(429, "TooManyRequests", "busy"), retry_after=3),
    api_error(Status(500, "InternalError", "etcdserver: no leader")),
    api_error(Status(504, "Timeout", "Too large resource version: 9, current: 3")),
    api_error(Status(403, "Forbidden", "")),
    api_error(Status(404, "NotFound", "")),
    api_error(Status(422, "Invalid", "")),
]
FORGETTING = (EXPIRED, REFUSALS[5])


class Server:
    """Objects by name with the version of their last change, and all that they ever were."""

    def __init__(self, chance):
        self.chance = chance
        self.version, self.oldest = 10, 0
        self.objects = {"a": 10}
        self.history = []
        self.versions, self.past = [10], [dict(self.objects)]

    def change(self):
        for _ in range(self.chance.randrange(3)):
            self.version += self.chance.randint(1, 3)
            name = self.chance.choice("abcd")
            deleted = name in self.objects and self.chance.random() < 0.4
            if deleted:
                del self.objects[name]
            else:
                self.objects[name] = self.version
            self.history.append((self.version, name, deleted))
            self.versions.append(self.version)
            self.past.append(dict(self.objects))
        if self.chance.random() < 0.1:
            self.oldest = self.version

    def since(self, version):
        return self.history[bisect_right(self.versions, version) - 1 :]

    def at(self, version):
        """Return what existed at a version, which may have been that of a bookmark between two changes."""
        return self.past[bisect_right(self.versions, version) - 1]


class World:
    """Carries the actions out against a server with bad luck, and checks what is asked and what is kept."""

    def __init__(self, seed, *, faults=0.7, at_once=False):
        self.chance = random.Random(seed)
        self.server = Server(self.chance)
        self.faults, self.at_once = faults, at_once
        self.streaming = self.chance.random() < 0.7
        self.state = State.new(ReflectorSettings(streaming=self.streaming, page_size=2))
        self.now = 0.0
        self.store, self.version = None, 0
        self.pages = {}
        self.snapshot = None
        self.forgot = False
        self.must_forget = False
        self.requests = deque()
        self.most = 0

    def run(self, rounds):
        message = Begin()
        for _ in range(rounds):
            message = self.go(message)
        return message

    def go(self, message):
        self.state, action = step(self.state, message, Moment(self.now, self.chance.random))
        assert action.delay >= 0
        self.now += action.delay
        self.server.change()
        self.count(action)
        match action:
            case FetchPage():
                return self.list(action)
            case StreamList():
                return self.stream(action)
            case OpenWatch():
                return self.watch(action)

    def count(self, action):
        if isinstance(action, FetchPage) and action.continue_token:
            return
        self.requests.append(self.now)
        while self.requests[0] < self.now - 60:
            self.requests.popleft()
        self.most = max(self.most, len(self.requests))
        assert self.most <= REQUESTS_A_MINUTE

    def unlucky(self):
        return self.chance.random() < self.faults

    def refusal(self):
        error = self.chance.choice(REFUSALS)
        self.forgot = self.forgot or error in FORGETTING
        return error

    def pass_time(self):
        """Let a watch last; with `at_once` every one is over in no time."""
        seconds = 0.001 if self.at_once else self.chance.choice((0.001, 0.5, 1.0, 30.0, 300.0))
        self.now += seconds
        return seconds

    def check_list_version(self, version, first):
        allowed = {first} if self.store is None else {str(self.version)}
        if self.forgot:
            allowed.add("")
        assert version in allowed
        assert version == "" or not self.must_forget
        self.must_forget = False

    def list(self, action):
        if action.continue_token:
            assert action.resource_version == ""
        else:
            self.check_list_version(action.resource_version, "0")
            self.pages = {}
        if self.unlucky():
            error = self.refusal()
            self.must_forget = error in FORGETTING and not action.continue_token
            return ListFailed(error)
        if not action.continue_token:
            self.snapshot = (self.server.version, sorted(self.server.objects.items()))
        version, items = self.snapshot
        begin = int(action.continue_token or 0)
        count = action.limit or len(items)
        self.pages |= dict(items[begin : begin + count])
        more = begin + count < len(items)
        return PageListed(str(version), str(begin + count) if more else "")

    def commit(self, objects, version):
        assert version >= self.version
        assert objects == self.server.at(version)
        self.store, self.version = dict(objects), version
        self.forgot = False

    def stream(self, action):
        assert self.streaming
        self.check_list_version(action.resource_version, "")
        if self.unlucky() and self.chance.random() < 0.5:
            error = self.refusal()
            self.must_forget = error in FORGETTING and action.resource_version != ""
            return StreamRefused(error)
        if self.unlucky():
            seconds = self.pass_time()
            events = self.chance.choice((0, 2))
            return StreamBroken(events, seconds, self.chance.choice((None, LOST, self.refusal())))
        self.commit(dict(self.server.objects), self.server.version)
        return self.follow(1)

    def watch(self, action):
        if action.commit:
            self.commit(self.pages, int(action.resource_version))
        assert action.resource_version == str(self.version)
        assert action.commit or self.store is not None
        assert 300 <= action.timeout_seconds <= 600
        if self.unlucky() and self.chance.random() < 0.5:
            return WatchRefused(self.refusal())
        if self.version < self.server.oldest:
            self.forgot = True
            return self.chance.choice((WatchRefused(EXPIRED), WatchEnded(str(self.version), 0, 0.01, EXPIRED)))
        return self.follow(0)

    def follow(self, events):
        seconds = self.pass_time()
        self.server.change()
        coming = self.server.since(self.version)
        unlucky = self.unlucky()
        if unlucky:
            coming = coming[: self.chance.randint(0, len(coming))]
        for version, name, deleted in coming:
            assert version > self.version
            self.version = version
            self.store.pop(name, None) if deleted else self.store.update({name: version})
            assert self.store == self.server.at(version)
        if not unlucky and self.chance.random() < 0.5:
            self.version = self.server.version
            events += 1
        error = self.chance.choice((None, LOST, self.refusal())) if unlucky else None
        return WatchEnded(str(self.version), events + len(coming), seconds, error)


def check(seed):
    world = World(seed)
    try:
        message = world.run(ROUNDS)
        world.faults = 0.0
        world.server.change = lambda: None
        for _ in range(8):
            message = world.go(message)
        assert world.store == world.server.objects
        assert world.version >= world.server.versions[-1]
    except BaseException:
        print(f"sequence of seed {seed}")
        raise
    return world.most


def test_any_sequence_of_faults_ends_with_the_servers_objects_and_no_storm_of_requests():
    most = max(check(seed) for seed in range(SEQUENCES))
    assert most > 10  # the model does press


@pytest.mark.soak
def test_any_sequence_of_faults_in_the_long_run():
    first = random.SystemRandom().randrange(1 << 32)
    print(f"sequences from seed {first} on")
    for seed in range(first, first + 50 * SEQUENCES):
        check(seed)


@pytest.mark.parametrize("seed", range(20))
def test_a_server_at_which_everything_fails_at_once_is_asked_less_and_less(seed):
    world = World(seed, faults=1.0, at_once=True)
    world.run(200)
    assert sum(moment <= world.now for moment in world.requests) <= 20
    assert world.now > 1_000
