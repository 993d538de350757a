"""`kaito_*` metrics of a server, beside vLLM's own on `/metrics`."""

import time
from collections.abc import Callable, Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kaito.contracts import AdapterPhase, Stage, WeightsStatus
from kaito.runtime.status.board import StatusBoard
from kaito.runtime.status.download import DownloadPace


class RuntimeCollector(Collector):
    """Reads the status board at each scrape, so that nothing has to be kept in step."""

    def __init__(self, board: StatusBoard, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._clock = clock
        self._pace = DownloadPace()

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
        if status["weights"]["kind"] == "hub":
            yield from self._download(status["weights"])
        adapters = GaugeMetricFamily("kaito_runtime_adapters", "Adapters by state.", labels=["state"])
        for state in get_args(AdapterPhase):
            adapters.add_metric([state], sum(adapter["state"] == state for adapter in status["adapters"]))
        yield adapters
        info = GaugeMetricFamily(
            "kaito_runtime_adapter_info", "1 for each adapter that is ready.", labels=["adapter", "digest", "strength"]
        )
        for adapter in status["adapters"]:
            if adapter["state"] == "Ready":
                info.add_metric([adapter["name"], adapter.get("digest", ""), adapter.get("strength", "1")], 1.0)
        yield info

    def _download(self, weights: WeightsStatus) -> Iterator[GaugeMetricFamily]:
        """Yield upstream's own two gauges."""
        loaded, total = weights["loadedBytes"], weights["totalBytes"]
        self._pace.look(self._clock(), loaded)
        name = "kaito_model_download_speed_bytes_per_second"
        yield GaugeMetricFamily(name, "Speed of the model's download.", value=self._pace.speed())
        name = "kaito_model_download_remaining_seconds"
        text = "Seconds until the model is there; -1 while unknown."
        yield GaugeMetricFamily(name, text, value=self._pace.remaining(loaded, total))


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
