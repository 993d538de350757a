"""Metrics of webhooks, under controller-runtime's names."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kaito.core.clock import Clock


class WebhookMetrics:
    """Counts requests by path and HTTP status code, their time, and the defects of handlers."""

    def __init__(self, clock: Clock, registry: CollectorRegistry | None) -> None:
        self._clock = clock
        self._requests = Counter(
            "controller_runtime_webhook_requests",
            "Admission requests by HTTP status code.",
            ("webhook", "code"),
            registry=registry,
        )
        self._latency = Histogram(
            "controller_runtime_webhook_latency_seconds",
            "Seconds from an admission request to its answer.",
            ("webhook",),
            registry=registry,
        )
        self._in_flight = Gauge(
            "controller_runtime_webhook_requests_in_flight",
            "Admission requests that are being answered.",
            ("webhook",),
            registry=registry,
        )
        self.panics = Counter(
            "controller_runtime_webhook_panics", "Defects of admission handlers that were caught.", registry=registry
        )
        self.conversion_panics = Counter(
            "controller_runtime_conversion_webhook_panics",
            "Defects of conversions that were caught.",
            registry=registry,
        )

    @contextmanager
    def request(self, path: str) -> Iterator[list[int]]:
        """Count one request; the block puts the status code of its answer into the list. Without one it is a 500."""
        started = self._clock.monotonic()
        codes: list[int] = []
        with self._in_flight.labels(path).track_inprogress():
            try:
                yield codes
            finally:
                self._requests.labels(path, str(codes[-1] if codes else 500)).inc()
                self._latency.labels(path).observe(self._clock.monotonic() - started)
