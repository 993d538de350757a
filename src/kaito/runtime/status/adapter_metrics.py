"""What happened to adapters, counted: beside their states, which the status board has."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kaito.contracts import AdapterReason
from kaito.runtime.status.pulls import AdapterPulls

_SECONDS = (0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""A swap from a local disk is at the lower end; a pull of gigabytes at the upper."""


class AdapterMetrics:
    """Counts loads, swaps and failures, and says what the engine holds. `pulls`: those under way."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.pulls = AdapterPulls()
        registry.register(self.pulls)
        self._seconds = Histogram(
            "kaito_runtime_adapter_load_seconds",
            "Seconds from an adapter's being wanted to its being served.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._swaps = Counter(
            "kaito_runtime_adapter_swaps", "Versions that took another's place while it was served.", registry=registry
        )
        self._failures = Counter(
            "kaito_runtime_adapter_failures", "Steps of adapters that failed, by reason.", ["reason"], registry=registry
        )
        self._resident = Gauge(
            "kaito_runtime_engine_adapters", "Adapters that the engine holds in memory.", registry=registry
        )
        self._evicted = Gauge(
            "kaito_runtime_engine_adapters_evicted",
            "Adapters that are served and were evicted from the engine's memory: read again when they are asked.",
            registry=registry,
        )

    def loaded(self, seconds: float, swapped: bool) -> None:
        """Count an adapter that is served now; `swapped`: in place of another version."""
        self._seconds.observe(seconds)
        if swapped:
            self._swaps.inc()

    def failed(self, reason: AdapterReason) -> None:
        """Count a step that failed."""
        self._failures.labels(reason).inc()

    def engine_holds(self, resident: int, evicted: int) -> None:
        """Record how many adapters the engine has, and how many it has not any more though they are served."""
        self._resident.set(resident)
        self._evicted.set(evicted)
