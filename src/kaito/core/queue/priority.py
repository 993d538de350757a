"""The order of work, as a plain data structure: each key once, highest priority first, none forgotten.

The rules are controller-runtime's priority queue, with ageing added: strict priority starves what is low under a steady
load of what is high.
"""

import heapq
import itertools
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

AGEING: Final = 8
"""Every so many pops the key that has waited longest goes first, whatever its priority."""

_SLACK: Final = 64


@dataclass(slots=True)
class Item(Generic[K]):
    """A key that waits: until `ready_at`, or (None) for a worker since `ready_since`."""

    key: K
    priority: int
    order: int
    ready_at: float | None
    ready_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to the number of ready items, for the metrics: priorities gained and lost."""

    gained: int | None = None
    lost: int | None = None


UNCHANGED: Final = Change()


class PriorityOrder(Generic[K]):
    """Keys that wait, are ready, or are being worked on. A key being worked on may be added again; it is kept back."""

    def __init__(self, ageing: int = AGEING) -> None:
        self._ageing = ageing
        self._pops = 0
        self._orders = itertools.count()
        self._items: dict[K, Item[K]] = {}
        self._working: set[K] = set()
        self._ready: list[tuple[int, int, K]] = []
        self._oldest: list[tuple[int, K]] = []
        self._delayed: list[tuple[float, int, K]] = []
        self._ready_count = 0

    def __len__(self) -> int:
        """Return how many keys are ready, those kept back included; delayed ones are not counted."""
        return self._ready_count

    @property
    def working(self) -> int:
        """How many keys are being worked on."""
        return len(self._working)

    def add(self, key: K, priority: int, now: float, ready_at: float | None = None) -> Change:
        """Add a key, at once or for `ready_at`. A key that is here keeps the higher priority and the earlier time."""
        if ready_at is not None and ready_at <= now:
            ready_at = None
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = Item(key, priority, next(self._orders), ready_at, now)
            return self._enter(item, None)
        before = None if item.ready_at is not None else item.priority
        raised = priority > item.priority
        earlier = item.ready_at is not None and (ready_at is None or ready_at < item.ready_at)
        if not raised and not earlier:
            return UNCHANGED
        item.priority = max(item.priority, priority)
        if earlier:
            item.ready_at = ready_at
        if before is None and item.ready_at is None:
            item.ready_since = now
        item.order = next(self._orders)
        return self._enter(item, before)

    def _enter(self, item: Item[K], before: int | None) -> Change:
        if item.ready_at is not None:
            heapq.heappush(self._delayed, (item.ready_at, item.order, item.key))
            return UNCHANGED
        if before is None:
            self._ready_count += 1
        self._offer(item)
        return Change(gained=item.priority, lost=before)

    def _offer(self, item: Item[K]) -> None:
        if item.key not in self._working:
            heapq.heappush(self._ready, (-item.priority, item.order, item.key))
            heapq.heappush(self._oldest, (item.order, item.key))
            if len(self._ready) > 2 * self._ready_count + _SLACK:
                self._compact()

    def _compact(self) -> None:
        """Drop what the other heap has already handed out."""
        free = [item for item in self._items.values() if item.ready_at is None and item.key not in self._working]
        self._ready = [(-item.priority, item.order, item.key) for item in free]
        self._oldest = [(item.order, item.key) for item in free]
        heapq.heapify(self._ready)
        heapq.heapify(self._oldest)

    def ripen(self, now: float) -> list[Change]:
        """Make ready what has waited long enough."""
        changes = []
        while self._delayed and self._delayed[0][0] <= now:
            ready_at, order, key = heapq.heappop(self._delayed)
            item = self._items.get(key)
            if item is None or item.order != order or item.ready_at != ready_at:
                continue
            item.ready_at, item.ready_since, item.order = None, now, next(self._orders)
            changes.append(self._enter(item, None))
        return changes

    def next_ready_at(self) -> float | None:
        """Return when the next delayed key becomes ready, if there is one."""
        while self._delayed:
            ready_at, order, key = self._delayed[0]
            item = self._items.get(key)
            if item is not None and item.order == order and item.ready_at == ready_at:
                return ready_at
            heapq.heappop(self._delayed)
        return None

    def pop(self) -> Item[K] | None:
        """Hand out the key that is next, or None if none is both ready and free."""
        item = self._next_by_age() if (self._pops + 1) % self._ageing == 0 else self._next_by_priority()
        if item is None:
            return None
        self._pops += 1
        self._ready_count -= 1
        del self._items[item.key]
        self._working.add(item.key)
        return item

    def _next_by_priority(self) -> Item[K] | None:
        while self._ready:
            priority, order, key = heapq.heappop(self._ready)
            item = self._items.get(key)
            if item is not None and (item.order, -item.priority) == (order, priority) and item.ready_at is None:
                return item
        return None

    def _next_by_age(self) -> Item[K] | None:
        while self._oldest:
            order, key = heapq.heappop(self._oldest)
            item = self._items.get(key)
            if item is not None and item.order == order and item.ready_at is None:
                return item
        return None

    def done(self, key: K) -> bool:
        """Take back a key; says whether it was added meanwhile and is now ready for a worker."""
        self._working.discard(key)
        item = self._items.get(key)
        if item is None or item.ready_at is not None:
            return False
        self._offer(item)
        return True
