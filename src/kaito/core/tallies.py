"""Counters and histograms for hot paths: plain numbers of one event loop, which Prometheus reads when it scrapes.

A child of prometheus-client takes a lock for each number: 0.5 µs a count and up to 1.5 µs an observation, several times
in each reconcile. These take a tenth. Only the thread of the event loop may write them.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Tally:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self) -> None:
        """Count one."""
        self.value += 1


class Tallies(Collector):
    """A counter with labels; `name` is without `_total`."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry | None
    ) -> None:
        self._describe = (name, documentation, None, tuple(labels))
        self._children: dict[tuple[str, ...], Tally] = {}
        if registry is not None:
            registry.register(self)

    def labels(self, *values: str) -> Tally:
        """Return the counter with these label values, at 0 at first."""
        return self._children.setdefault(values, Tally())

    def collect(self) -> Iterator[Metric]:
        """Return what Prometheus reads."""
        family = CounterMetricFamily(*self._describe)
        for values, child in self._children.items():
            family.add_metric(values, child.value)
        yield family


class Durations:
    """How many observations, in seconds, fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration. A bucket includes its upper bound."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds


class Histograms(Collector):
    """A histogram with labels, over buckets with these upper bounds in seconds."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry | None,
    ) -> None:
        self._describe = (name, documentation, None, None, tuple(labels))
        self._bounds = tuple(bounds)
        self._names = [floatToGoString(bound) for bound in (*bounds, inf)]  # type: ignore[no-untyped-call]
        self._children: dict[tuple[str, ...], Durations] = {}
        if registry is not None:
            registry.register(self)

    def labels(self, *values: str) -> Durations:
        """Return the histogram with these label values, empty at first."""
        return self._children.setdefault(values, Durations(self._bounds))

    def collect(self) -> Iterator[Metric]:
        """Return what Prometheus reads."""
        family = HistogramMetricFamily(*self._describe)
        for values, child in self._children.items():
            counts = zip(self._names, accumulate(child.counts), strict=True)
            family.add_metric(values, list(counts), child.total)
        yield family
