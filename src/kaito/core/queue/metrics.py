"""The work queue's metrics, under controller-runtime's names."""

from collections.abc import Callable, Hashable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS: Final = tuple(1e-8 * 10**power for power in range(12))
_LABELS: Final = ("name", "controller")
_PRIORITIES: Final = 25
_OVERFLOW: Final = "exceeded_cardinality_limit"


class QueueMetricFamilies:
    """The metric families of a registry; queues share them."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.depth = Gauge("workqueue_depth", "Current depth of workqueue.", (*_LABELS, "priority"), registry=registry)
        self.adds = Counter("workqueue_adds", "Total number of adds handled by workqueue.", _LABELS, registry=registry)
        self.queue_duration = Histogram(
            "workqueue_queue_duration_seconds",
            "How long in seconds an item stays in workqueue before being requested.",
            _LABELS,
            buckets=_BUCKETS,
            registry=registry,
        )
        self.work_duration = Histogram(
            "workqueue_work_duration_seconds",
            "How long in seconds processing an item from workqueue takes.",
            _LABELS,
            buckets=_BUCKETS,
            registry=registry,
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
        self.retries = Counter(
            "workqueue_retries", "Total number of retries handled by workqueue.", _LABELS, registry=registry
        )


class QueueMetrics:
    """The metrics of one queue. What is in progress is measured when somebody scrapes, not on a timer."""

    def __init__(self, families: QueueMetricFamilies, name: str, now: Callable[[], float]) -> None:
        self._now = now
        self._started: dict[Hashable, float] = {}
        self._depth_family = families.depth
        self._name = name
        self._depths: dict[int, Gauge] = {}
        self.adds = families.adds.labels(name, name)
        self.retries = families.retries.labels(name, name)
        self._queued = families.queue_duration.labels(name, name)
        self._worked = families.work_duration.labels(name, name)
        families.unfinished.labels(name, name).set_function(self._unfinished)
        families.longest.labels(name, name).set_function(self._longest)
        self._depth(0)

    def gained(self, priority: int) -> None:
        """Count an item of this priority that became ready."""
        self._depth(priority).inc()

    def lost(self, priority: int) -> None:
        """Discount an item that was handed out, or is counted under another priority from now on."""
        self._depth(priority).dec()

    def started(self, key: Hashable, ready_since: float) -> None:
        """Note that a worker took an item that had been ready since then."""
        moment = self._now()
        self._queued.observe(moment - ready_since)
        self._started[key] = moment

    def finished(self, key: Hashable) -> None:
        """Note that the worker is done with it."""
        self._worked.observe(self._now() - self._started.pop(key))

    def _depth(self, priority: int) -> Gauge:
        gauge = self._depths.get(priority)
        if gauge is None:
            label = str(priority) if len(self._depths) < _PRIORITIES else _OVERFLOW
            gauge = self._depths[priority] = self._depth_family.labels(self._name, self._name, label)
        return gauge

    def _unfinished(self) -> float:
        moment = self._now()
        return sum(moment - started for started in self._started.values())

    def _longest(self) -> float:
        return self._now() - min(self._started.values()) if self._started else 0.0
