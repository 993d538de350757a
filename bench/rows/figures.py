"""Figures out of a peer's report."""

from typing import Any, Final

from bench.rows.row import Figures

_QUANTILES: Final = {"latency_ms": "latency", "gc_pause_ms": "GC pause", "loop_lag_ms": "loop lag"}


def of_report(line: dict[str, Any]) -> Figures:
    """Return CPU, memory, latencies, pauses and counts under the names that the table shows."""
    result = line["result"]
    found: Figures = {
        "CPU s": result["cpu_seconds"],
        "start-up CPU s": result["start_up"]["cpu_seconds"],
        "start-up RSS MiB": result["start_up"]["rss_mib"],
        "RSS MiB": result["rss_mib"]["now"],
        "RSS after GC MiB": result["rss_mib"]["after_gc"],
        "peak RSS MiB": result["rss_mib"]["max"],
        "reconciles": result["counts"].get("reconciles", 0),
    }
    for name, title in _QUANTILES.items():
        for quantile in ("p50", "p99", "max"):
            if quantile in result.get(name, {}):
                found[f"{title} {quantile} ms"] = result[name][quantile]
    return found
