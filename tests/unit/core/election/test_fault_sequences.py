"""The elector's state machine under random faults: requests lost, late, hanging or unanswered; watches that are cut or
fall silent; replicas that die, freeze and come back; Leases deleted by hand; clocks of other rates that jump.

Only the state machine runs, on a heap of messages instead of a loop: ten thousand sequences take seconds.
"""

import heapq
import itertools
import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from kaito.core import ConnectionLostError, Key, Status, api_error
from kaito.core.election import Timing
from kaito.core.election.elector import (
    Absent,
    Due,
    Failed,
    Follow,
    Found,
    Lost,
    Moment,
    Read,
    State,
    Wait,
    Write,
    Written,
    step,
)
from kaito.core.election.lease import holder_of

KEY = Key("kaito-system", "kaito-controller")
TIMING = Timing()
WALL = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (11, 12, 13)]
STORM_SECONDS, CALM_SECONDS = 35.0, 60.0
SEQUENCES, SEED = 10_000, 20_260_101
LOST = Failed(ConnectionLostError("lost"))
CONFLICT = Failed(api_error(Status(409, "Conflict", "")))
EXISTS = Failed(api_error(Status(409, "AlreadyExists", "")))
NOT_FOUND = Failed(api_error(Status(404, "NotFound", "")))


class Replica:
    """One process: its elector, its clock of a rate of its own, and what it waits for (the last ticket counts)."""

    def __init__(self, name, dice):
        self.state = State(KEY, name, TIMING)
        self.rate, self.offset = dice.uniform(1.0, 1.2), dice.uniform(0, 1e6)
        self.ticket, self.frozen_until, self.following = 0, 0.0, False

    def local(self, now):
        return self.offset + now * self.rate

    def leads(self, now):
        until = self.state.leads_until
        return until is not None and self.local(now) < until


class World:
    """An API server with one Lease, replicas, and bad weather."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.loss, self.delay = self.dice.uniform(0, 0.4), self.dice.uniform(0, 4)
        self.now, self.lease, self.version, self.born = 0.0, None, 0, 0
        self.heap, self.order, self.replicas, self.deleted = [], itertools.count(), [], -TIMING.lease
        for _ in range(self.dice.choice((2, 2, 3))):
            self.bear()
        if self.dice.random() < 0.5:
            self.at(self.dice.uniform(3, 20), self.delete_by_hand)
        self.at(self.dice.uniform(5, 30), self.kill)

    @property
    def bad(self):
        return self.now < STORM_SECONDS

    def at(self, seconds, what, *arguments):
        heapq.heappush(self.heap, (self.now + seconds, next(self.order), what, arguments))

    def run(self):
        while self.now < STORM_SECONDS or not any(one.leads(self.now) for one in self.replicas):
            assert self.now < STORM_SECONDS + CALM_SECONDS, "all is well again, and nobody leads"
            self.now, _, what, arguments = heapq.heappop(self.heap)
            what(*arguments)

    def bear(self):
        """Start a replica, which may make a Lease where it finds none: not just after one was deleted by hand."""
        if (wait := self.deleted + TIMING.lease - self.now) > 0:
            self.at(wait, self.bear)
            return
        replica = Replica(f"r{self.born}", self.dice)
        self.born += 1
        self.replicas.append(replica)
        self.perform(replica, Read())

    def kill(self):
        self.bury(self.dice.choice(self.replicas))

    def bury(self, replica):
        self.replicas.remove(replica)
        replica.ticket += 1
        self.at(self.dice.uniform(0.5, 5), self.bear)

    def delete_by_hand(self):
        """Delete the Lease, if every replica has seen who holds it: none can wait for a holder that it never saw."""
        if self.lease is not None and all(self.knows_the_holder(one) for one in self.replicas):
            self.lease, self.deleted = None, self.now
            self.tell(Absent())
        if self.bad:
            self.at(self.dice.uniform(0.5, 20), self.delete_by_hand)

    def knows_the_holder(self, replica):
        seen = replica.state.observed
        return seen is not None and not seen.gone and holder_of(seen.lease["spec"]) == holder_of(self.lease["spec"])

    def tell(self, message):
        for one in self.replicas:
            if one.following and not (self.bad and self.dice.random() < self.loss / 4):
                self.at(self.lag(), self.hand, one, one.ticket, message)

    def lag(self):
        return self.dice.uniform(0, self.delay) if self.bad and self.dice.random() < 0.3 else 0.01

    def hand(self, replica, ticket, message):
        """Let a message arrive, unless something else did before; frozen processes hear it when they wake up."""
        if ticket != replica.ticket:
            return
        if self.now < replica.frozen_until:
            self.at(replica.frozen_until - self.now, self.hand, replica, ticket, message)
            return
        moment = Moment(replica.local(self.now), WALL[ticket % 3] + timedelta(seconds=self.now), self.dice.random)
        replica.state, action = step(replica.state, message, moment)
        if replica.leads(self.now):
            leaders = [one.state.identity for one in self.replicas if one.leads(self.now)]
            assert len(leaders) == 1, f"at {self.now:.3f} s both {leaders} lead"
        if self.bad and self.dice.random() < 0.01:
            replica.frozen_until = self.now + self.dice.expovariate(1 / 8)
        self.perform(replica, action)

    def perform(self, replica, action):
        replica.ticket += 1
        kept_watch, replica.following = replica.following, False
        ticket, limit = replica.ticket, self.limit(replica, TIMING.request)
        match action:
            case Lost():
                self.bury(replica)
            case Wait(seconds):
                self.at(self.limit(replica, seconds), self.hand, replica, ticket, Due())
            case Read() | Write():
                self.at(limit, self.hand, replica, ticket, LOST)
                if not (self.bad and self.dice.random() < self.loss):
                    self.at(self.lag(), self.serve, replica, ticket, action, replica.local(self.now))
            case Follow(version, seconds):
                self.at(seconds / replica.rate, self.hand, replica, ticket, Due())
                self.follow(replica, version, kept_watch)

    def limit(self, replica, seconds):
        until = replica.state.leads_until
        left = seconds if until is None else min(seconds, until - replica.local(self.now))
        return max(0.0, left) / replica.rate

    def serve(self, replica, ticket, action, sent):
        """Answer a request; a write that its sender gave up, or died after, happens all the same."""
        answer = self.read() if isinstance(action, Read) else self.write(action, sent)
        if not (self.bad and self.dice.random() < self.loss / 2):
            self.at(self.lag(), self.hand, replica, ticket, answer)

    def read(self):
        return Absent() if self.lease is None else Found(self.lease)

    def write(self, action, sent):
        if action.create != (self.lease is None):
            return EXISTS if action.create else NOT_FOUND
        version = action.lease["metadata"].get("resourceVersion")
        if not action.create and version != self.lease["metadata"]["resourceVersion"]:
            return CONFLICT
        self.version += 1
        metadata = {**action.lease["metadata"], "resourceVersion": str(self.version)}
        self.lease = {**action.lease, "metadata": metadata}
        self.tell(Found(self.lease))
        return Written(self.lease, sent)

    def follow(self, replica, version, kept_watch):
        if not kept_watch and self.bad and self.dice.random() < self.loss:
            self.at(self.lag(), self.hand, replica, replica.ticket, Failed())
            return
        replica.following = True
        current = None if self.lease is None else self.lease["metadata"]["resourceVersion"]
        if (version or current) and version != current:
            self.at(0.01, self.hand, replica, replica.ticket, self.read())


def play(seed):
    try:
        World(seed).run()
    except AssertionError as error:
        raise AssertionError(f"World({seed}): {error}") from error


def test_ten_thousand_sequences_of_faults_never_make_two_leaders_and_end_with_one():
    for number in range(SEQUENCES):
        play(SEED + number)


@pytest.mark.soak
def test_a_million_other_sequences_do_not_either():
    seed = int(os.environ.get("KAITO_SEED") or random.randrange(1 << 40))
    print(f"KAITO_SEED={seed}")
    for number in range(1_000_000):
        play(seed + number)
