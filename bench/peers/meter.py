"""What a Python peer measures of itself."""

import asyncio
import gc
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Any, Final

TICK: Final = 0.01
"""Seconds between looks at how late the event loop is."""


class Meter:
    """CPU, memory, latencies, pauses and counts since `begin`; `start_up` is what came before."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.latencies = array("d")
        self.start_up: dict[str, float] = {}
        self._pauses = array("d")
        self._lags = array("d")
        self._begun = 0.0
        self._cpu = 0.0
        self._resident = 0.0
        self._paused = 0.0
        self._due = 0.0
        gc.callbacks.append(self._on_collection)

    def started(self) -> None:
        """Note the cost of the start: imports, set-up, first caches as the workload has it."""
        self.start_up = {"cpu_seconds": time.process_time(), "rss_mib": resident("VmRSS")}

    def begin(self) -> None:
        """Count from here."""
        self.counts.clear()
        del self.latencies[:], self._pauses[:], self._lags[:]
        self._begun, self._cpu, self._resident = time.monotonic(), time.process_time(), resident("VmRSS")

    def report(self) -> dict[str, Any]:
        """Return everything since `begin`."""
        cpu, wall, now, most = time.process_time(), time.monotonic(), resident("VmRSS"), resident("VmHWM")
        if self._due:
            self._lags.append(max(0.0, wall - self._due))  # the loop may still be blocked
        latencies, pauses, lags = sorted(self.latencies), sorted(self._pauses), sorted(self._lags)
        gc.collect()
        return {
            "start_up": self.start_up,
            "cpu_seconds": cpu - self._cpu,
            "wall_seconds": wall - self._begun,
            "rss_mib": {
                "before": self._resident,
                "max": most,
                "now": now,
                "after_gc": resident("VmRSS"),
            },
            "latency_ms": quantiles(latencies),
            "gc_pause_ms": {**quantiles(pauses), "number": len(pauses)},
            "loop_lag_ms": quantiles(lags),
            "counts": dict(self.counts),
        }

    async def watch_loop(self) -> None:
        """Look every 10 ms how late the event loop is, until cancelled."""
        self._due = time.monotonic() + TICK
        while True:
            await asyncio.sleep(self._due - time.monotonic())
            now = time.monotonic()
            self._lags.append(max(0.0, now - self._due))
            self._due = now + TICK

    def _on_collection(self, phase: str, _info: dict[str, int]) -> None:
        """Measure a collection in CPU time, so that what else runs on the core is not counted with it."""
        if phase == "start":
            self._paused = time.thread_time()
        else:
            self._pauses.append(time.thread_time() - self._paused)


def resident(field: str) -> float:
    """Return a field of /proc/self/status that is in KiB, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) / 1024
    raise KeyError(field)


def quantiles(ordered: list[float]) -> dict[str, float]:
    """Return median, 99th percentile and maximum of sorted seconds, in milliseconds."""
    if not ordered:
        return {}
    last = len(ordered) - 1
    found = {"p50": ordered[last // 2], "p99": ordered[int(last * 0.99)], "max": ordered[last]}
    return {name: round(value * 1000, 3) for name, value in found.items()}
