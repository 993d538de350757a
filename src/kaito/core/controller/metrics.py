"""The controller's metrics, under controller-runtime's names."""

from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from kaito.core.errors import KaitoError
from kaito.core.queue import QueueMetricFamilies
from kaito.core.tallies import Histograms, Tallies

_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
)  # fmt: skip
_PREFIX: Final = "controller_runtime_"
_LABELS: Final = ("controller",)


class ControllerMetricFamilies:
    """The metric families of a registry; its controllers share them."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._names: set[str] = set()
        self.queue = QueueMetricFamilies(registry)
        self.total = Tallies(
            f"{_PREFIX}reconcile",
            "Total number of reconciliations per controller.",
            (*_LABELS, "result"),
            registry,
        )
        self.errors = Tallies(
            f"{_PREFIX}reconcile_errors",
            "Total number of reconciliation errors per controller.",
            _LABELS,
            registry,
        )
        self.terminal = Tallies(
            f"{_PREFIX}terminal_reconcile_errors",
            "Total number of terminal reconciliation errors per controller.",
            _LABELS,
            registry,
        )
        self.panics = Tallies(
            f"{_PREFIX}reconcile_panics",
            "Total number of reconciliation panics per controller.",
            _LABELS,
            registry,
        )
        self.timeouts = Tallies(
            f"{_PREFIX}reconcile_timeouts",
            "Total number of reconciliation timeouts per controller.",
            _LABELS,
            registry,
        )
        self.stale = Tallies(
            "kaito_core_cache_barrier_timeouts",
            "How often a reconcile was put off because the cache had not shown what the last one wrote.",
            _LABELS,
            registry,
        )
        self.seconds = Histograms(
            f"{_PREFIX}reconcile_time_seconds",
            "Length of time per reconciliation per controller.",
            _LABELS,
            _BUCKETS,
            registry,
        )
        self.workers = Gauge(
            f"{_PREFIX}max_concurrent_reconciles",
            "Maximum number of concurrent reconciles per controller.",
            _LABELS,
            registry=registry,
        )
        self.active = Gauge(
            f"{_PREFIX}active_workers",
            "Number of currently used workers per controller.",
            _LABELS,
            registry=registry,
        )

    def controller(self, name: str, workers: int) -> "ControllerMetrics":
        """Return the metrics of one controller. Raises KaitoError NameTaken: two of a name would share their series."""
        if name in self._names:
            raise KaitoError("NameTaken", f"there already is a controller {name!r}", terminal=True)
        self._names.add(name)
        return ControllerMetrics(self, name, workers)


class ControllerMetrics:
    """The metrics of one controller, all of them at 0 from the start."""

    def __init__(self, families: ControllerMetricFamilies, controller: str, workers: int) -> None:
        self.results = {
            label: families.total.labels(controller, label)
            for label in ("error", "requeue_after", "requeue", "success")
        }
        self.errors = families.errors.labels(controller)
        self.terminal = families.terminal.labels(controller)
        self.panics = families.panics.labels(controller)
        self.timeouts = families.timeouts.labels(controller)
        self.stale = families.stale.labels(controller)
        self.seconds = families.seconds.labels(controller)
        self.active = families.active.labels(controller)
        families.workers.labels(controller).set(workers)
