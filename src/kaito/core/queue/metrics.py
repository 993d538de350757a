"""The work queue's metrics, under controller-runtime's names."""

from collections.abc import Callable, Hashable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge

from kaito.core.queue.priority import PriorityOrder
from kaito.core.tallies import Histograms, Tallies

_BUCKETS: Final = tuple(1e-8 * 10**power for power in range(12))
_LABELS: Final = ("name", "controller")
_PRIORITIES: Final = 25
_OVERFLOW: Final = "exceeded_cardinality_limit"


class QueueMetricFamilies:
    """The metric families of a registry; queues share them."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.depth = Gauge("workqueue_depth", "Current depth of workqueue.", (*_LABELS, "priority"), registry=registry)
        self.adds = Tallies("workqueue_adds", "Total number of adds handled by workqueue.", _LABELS, registry)
        self.queue_duration = Histograms(
            "workqueue_queue_duration_seconds",
            "How long in seconds an item stays in workqueue before being requested.",
            _LABELS,
            _BUCKETS,
            registry,
        )
        self.work_duration = Histograms(
            "workqueue_work_duration_seconds",
            "How long in seconds processing an item from workqueue takes.",
            _LABELS,
            _BUCKETS,
            registry,
        )
        self.unfinished = Gauge(
            "workqueue_unfinished_work_seconds",
            "How many seconds of work is in progress and not yet observed by work_duration.",
            _LABELS,
            registry=registry,
        )
        self.longest = Gauge(
            "workqueue_longest_running_processor_seconds",
            "How many seconds has the longest running processor for workqueue been running.",
            _LABELS,
            registry=registry,
        )
        self.retries = Tallies("workqueue_retries", "Total number of retries handled by workqueue.", _LABELS, registry)


class QueueMetrics:
    """The metrics of one queue. Depth and what is in progress are measured when somebody scrapes, not on a timer."""

    def __init__(self, families: QueueMetricFamilies, name: str, now: Callable[[], float]) -> None:
        self._now = now
        self._started: dict[Hashable, float] = {}
        self._frozen: tuple[float, float] | None = None
        self._depths = families.depth
        self._order: PriorityOrder[Any] = PriorityOrder()
        self._name = name
        self._priorities: set[int] = set()
        self._beyond: Gauge | None = None
        self.adds = families.adds.labels(name, name)
        self.retries = families.retries.labels(name, name)
        self._queued = families.queue_duration.labels(name, name)
        self._worked = families.work_duration.labels(name, name)
        families.unfinished.labels(name, name).set_function(lambda: self._in_progress()[0])
        families.longest.labels(name, name).set_function(lambda: self._in_progress()[1])
        self.saw(0)

    def measure(self, order: PriorityOrder[Any]) -> None:
        """Take the depth from this order from now on."""
        self._order = order

    def saw(self, priority: int) -> None:
        """Give a priority its own series; those beyond the 25th share one."""
        if priority in self._priorities or self._beyond is not None:
            return
        if len(self._priorities) < _PRIORITIES:
            self._priorities.add(priority)
            self._depths.labels(self._name, self._name, str(priority)).set_function(lambda: self._order.depth(priority))
        else:
            self._beyond = self._depths.labels(self._name, self._name, _OVERFLOW)
            self._beyond.set_function(lambda: len(self._order) - sum(map(self._order.depth, self._priorities)))

    def started(self, key: Hashable, ready_since: float) -> None:
        """Note that a worker took an item that had been ready since then."""
        moment = self._now()
        self._queued.observe(moment - ready_since)
        self._started[key] = moment

    def finished(self, key: Hashable) -> None:
        """Note that the worker is done with it."""
        self._worked.observe(self._now() - self._started.pop(key))

    def freeze(self) -> None:
        """Keep what is said of work in progress as it is: the queue was shut down."""
        self._frozen = self._in_progress()

    def _in_progress(self) -> tuple[float, float]:
        """Return the seconds of all work in progress, and of that which has gone on longest."""
        if self._frozen is not None:
            return self._frozen
        moment = self._now()
        ages = [moment - started for started in self._started.values()]
        return sum(ages), max(ages, default=0.0)
