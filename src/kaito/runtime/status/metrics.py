"""`kaito_*` metrics of a server, beside vLLM's own on `/metrics`."""

from collections.abc import Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kaito.contracts import AdapterPhase, Stage
from kaito.runtime.status.board import StatusBoard


class RuntimeCollector(Collector):
    """Reads the status board at each scrape, so that nothing has to be kept in step."""

    def __init__(self, board: StatusBoard) -> None:
        self._board = board

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the stage, the bytes of the weights, seconds per stage, and the adapters by state."""
        status = self._board.status()
        stage = GaugeMetricFamily("kaito_runtime_stage", "1 for the stage the server is in.", labels=["stage"])
        for name in get_args(Stage):
            stage.add_metric([name], float(name == status["stage"]))
        yield stage
        seconds = GaugeMetricFamily("kaito_runtime_stage_seconds", "Seconds spent in each stage.", labels=["stage"])
        for name, value in status["stageSeconds"].items():
            seconds.add_metric([name], value)
        yield seconds
        weights = GaugeMetricFamily("kaito_runtime_weights_bytes", "Bytes of the weights.", labels=["kind", "state"])
        weights.add_metric([status["weights"]["kind"], "loaded"], status["weights"]["loadedBytes"])
        weights.add_metric([status["weights"]["kind"], "total"], status["weights"]["totalBytes"])
        yield weights
        adapters = GaugeMetricFamily("kaito_runtime_adapters", "Adapters by state.", labels=["state"])
        for state in get_args(AdapterPhase):
            adapters.add_metric([state], sum(adapter["state"] == state for adapter in status["adapters"]))
        yield adapters


class RequestMetrics:
    """Counts what was not answered as asked: KAITO's own counter for its rate limit, and every refusal by reason."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rate_limited = Counter(
            "kaito_ratelimit_rejected", "Requests refused because too many wait.", registry=registry
        )
        self._refused = Counter(
            "kaito_requests_refused", "Requests that got a refusal, by reason.", ["reason"], registry=registry
        )

    def finished(self, refused_by: str) -> None:
        """Count a request; `refused_by` is empty for one that was answered."""
        if refused_by:
            self._refused.labels(refused_by).inc()
            if refused_by == "rate_limit":
                self._rate_limited.inc()
