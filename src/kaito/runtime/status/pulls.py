"""How far the pulls of adapters are. Not on the board: a number for each megabyte would wake all who wait there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kaito.contracts import AdapterStatus


class _Pull:
    """One pull. Sizes in bytes; a total of 0 is not known."""

    def __init__(self, adapter: str) -> None:
        self.adapter = adapter
        self.pulled = 0
        self.total = 0

    def came(self, pulled: int, total: int) -> None:
        self.pulled, self.total = pulled, total


class AdapterPulls(Collector):
    """The pulls under way. Written by one thread, read by any."""

    def __init__(self) -> None:
        self._pulls: tuple[_Pull, ...] = ()

    @contextmanager
    def begin(self, adapter: str) -> Iterator[Callable[[int, int], None]]:
        """Yield what is to be told a pull's bytes: those that have come, and all. It is known no more afterwards."""
        pull = _Pull(adapter)
        self._pulls = (*self._pulls, pull)
        try:
            yield pull.came
        finally:
            self._pulls = tuple(each for each in self._pulls if each is not pull)

    def shown_in(self, status: AdapterStatus) -> AdapterStatus:
        """Return a status with the bytes of its adapter's pull, the latest where an older one is ending."""
        pull = self._latest().get(status["name"])
        if pull is None:
            return status
        shown = status.copy()
        shown["pulledBytes"] = pull.pulled
        if pull.total:
            shown["totalBytes"] = pull.total
        return shown

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the bytes of each pull."""
        text = "Bytes of adapters that are being pulled; a total of 0 is not known yet."
        sizes = GaugeMetricFamily("kaito_runtime_adapter_pull_bytes", text, labels=["adapter", "state"])
        for name, pull in self._latest().items():
            sizes.add_metric([name, "pulled"], pull.pulled)
            sizes.add_metric([name, "total"], pull.total)
        yield sizes

    def _latest(self) -> dict[str, _Pull]:
        return {pull.adapter: pull for pull in self._pulls}
