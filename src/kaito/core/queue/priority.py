"""The order of work, as a plain data structure: each key once, highest priority first, none forgotten.

The rules are controller-runtime's priority queue, with ageing added: strict priority starves what is low under a steady
load of what is high.
"""

import heapq
import itertools
from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)

AGEING: Final = 8
"""Every so many pops the key that has waited longest goes first, whatever its priority."""


class Item(msgspec.Struct, Generic[K], eq=False, gc=False):
    """A key that waits: until `ready_at`, or (None) for a worker since `ready_since`."""

    key: K
    priority: int
    ready_at: float | None
    ready_since: float = 0.0
    arrival: int = 0


class PriorityOrder(Generic[K]):
    """Keys that wait, are ready, or are being worked on. A key being worked on may be added again; it is kept back.

    With `ageing` None the priority is strict. Moments are seconds of any clock that never goes back.
    """

    def __init__(self, ageing: int | None = AGEING) -> None:
        self._ageing = ageing
        self._pops = 0
        self._arrivals = itertools.count()
        self._items: dict[K, Item[K]] = {}
        self._working: set[K] = set()
        self._levels: list[int] = []  # priorities of ready keys, negated: the highest first
        self._ready: dict[int, OrderedDict[K, Item[K]]] = {}
        self._ready_count = 0
        self._delayed: list[tuple[float, int, Item[K]]] = []
        self._stale = 0  # how many of the delayed have become ready, or come earlier, by another way

    def __len__(self) -> int:
        """Return how many keys are ready, those kept back included; delayed ones are not counted."""
        return self._ready_count

    @property
    def working(self) -> int:
        """How many keys are being worked on."""
        return len(self._working)

    def depth(self, priority: int) -> int:
        """Return how many keys of this priority are ready."""
        return len(self._ready.get(-priority, ()))

    def add(self, key: K, priority: int, now: float, ready_at: float | None = None) -> bool:
        """Add a key, at once or for `ready_at`; says whether it became ready by this.

        A key that is here keeps the higher priority and the earlier time.
        """
        if ready_at is not None and ready_at <= now:
            ready_at = None
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = Item(key, priority, ready_at)
        elif item.ready_at is None:
            if priority > item.priority:
                self._leave(item)
                item.priority = priority
                self._join(item)
            return False
        else:
            item.priority = max(item.priority, priority)
            if ready_at is not None and ready_at >= item.ready_at:
                return False
            item.ready_at = ready_at
            self._stale += 1
        if ready_at is None:
            item.ready_since = now
            self._join(item)
        else:
            heapq.heappush(self._delayed, (ready_at, next(self._arrivals), item))
        if self._stale * 2 > len(self._delayed):
            self._forget_stale()
        return ready_at is None

    def ripen(self, now: float) -> int:
        """Make ready what has waited long enough; returns how many keys that were."""
        ripe = 0
        while self._delayed and self._delayed[0][0] <= now:
            ready_at, _, item = heapq.heappop(self._delayed)
            if item.ready_at != ready_at:
                self._stale -= 1
                continue
            item.ready_at, item.ready_since = None, now
            self._join(item)
            ripe += 1
        return ripe

    def next_ready_at(self) -> float | None:
        """Return when the next delayed key becomes ready, if there is one."""
        while self._delayed:
            ready_at, _, item = self._delayed[0]
            if item.ready_at == ready_at:
                return ready_at
            heapq.heappop(self._delayed)
            self._stale -= 1
        return None

    def pop(self) -> Item[K] | None:
        """Hand out the key that is next, or None if none is both ready and free."""
        aged = self._ageing is not None and (self._pops + 1) % self._ageing == 0
        item = self._oldest() if aged else self._highest()
        if item is None:
            return None
        self._pops += 1
        self._leave(item)
        del self._items[item.key]
        self._working.add(item.key)
        return item

    def done(self, key: K) -> bool:
        """Take back a key; says whether it was added meanwhile and is now ready for a worker."""
        self._working.discard(key)
        item = self._items.get(key)
        return item is not None and item.ready_at is None

    def _highest(self) -> Item[K] | None:
        for level in self._levels:
            if (item := self._first_free(level)) is not None:
                return item
        return None

    def _oldest(self) -> Item[K] | None:
        firsts = [item for level in self._levels if (item := self._first_free(level)) is not None]
        return min(firsts, key=lambda item: item.arrival, default=None)

    def _first_free(self, level: int) -> Item[K] | None:
        """Return what came first at a level and is not being worked on: past as many keys as there are workers."""
        for key, item in self._ready[level].items():
            if key not in self._working:
                return item
        return None

    def _join(self, item: Item[K]) -> None:
        """Put an item behind its equals."""
        item.arrival = next(self._arrivals)
        level = -item.priority
        keys = self._ready.get(level)
        if keys is None:
            keys = self._ready[level] = OrderedDict()
            insort(self._levels, level)
        keys[item.key] = item
        self._ready_count += 1

    def _leave(self, item: Item[K]) -> None:
        level = -item.priority
        keys = self._ready[level]
        del keys[item.key]
        if not keys:
            del self._ready[level]
            self._levels.remove(level)
        self._ready_count -= 1

    def _forget_stale(self) -> None:
        """Drop what no longer waits, so that a heap of long delays holds no keys that are gone."""
        self._delayed = [entry for entry in self._delayed if entry[2].ready_at == entry[0]]
        heapq.heapify(self._delayed)
        self._stale = 0
