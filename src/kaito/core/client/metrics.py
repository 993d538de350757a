"""Metrics of requests, under client-go's names."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

_DURATIONS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)
_SIZES: Final = (64, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)
_FAILED: Final = "<error>"
"""The code of a request that got no answer."""


class RequestMetrics:
    """Counts requests to one host; with `detailed`, also how long they take, how large they are and how often repeated.

    Durations, sizes and retries are off by default, as in controller-runtime: they are many series.
    """

    def __init__(self, host: str, registry: CollectorRegistry | None, *, detailed: bool) -> None:
        self._host = host
        self._requests = Counter(
            "rest_client_requests",
            "Number of HTTP requests, partitioned by status code, method, and host.",
            ("code", "method", "host"),
            registry=registry,
        )
        self._bound: dict[tuple[int, str], Counter] = {}
        self.details = RequestDetails(host, registry) if detailed else None

    def answered(self, method: str, code: int) -> None:
        """Count an answer, or a request that got none (0)."""
        bound = self._bound.get((code, method))
        if bound is None:
            bound = self._requests.labels(str(code) if code else _FAILED, method, self._host)
            self._bound[code, method] = bound
        bound.inc()

    def failed(self, method: str) -> None:
        """Count a request without an answer."""
        self.answered(method, 0)

    def repeated(self, method: str, code: int) -> None:
        """Count a request that is sent again because of an answer with `code`, or of none (0)."""
        if self.details is not None:
            self.details.retries.labels(str(code) if code else _FAILED, method, self._host).inc()


class RequestDetails:
    """How long requests take, and how large they and their answers are."""

    def __init__(self, host: str, registry: CollectorRegistry | None) -> None:
        self._host = host

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"rest_client_{name}", text, ("verb", "host"), buckets=buckets, registry=registry)

        self._durations = histogram("request_duration_seconds", "Request latency in seconds.", _DURATIONS)
        self._sent = histogram("request_size_bytes", "Request size in bytes.", _SIZES)
        self._received = histogram("response_size_bytes", "Response size in bytes.", _SIZES)
        self.retries = Counter(
            "rest_client_request_retries",
            "Number of request retries, partitioned by status code, verb, and host.",
            ("code", "verb", "host"),
            registry=registry,
        )

    def answered(self, method: str, seconds: float, sent: int, received: int) -> None:
        """Note an answer that came after `seconds`, with the bytes of both bodies."""
        self._durations.labels(method, self._host).observe(seconds)
        self._sent.labels(method, self._host).observe(sent)
        self._received.labels(method, self._host).observe(received)
