import pytest
from prometheus_client import CollectorRegistry

from kaito.contracts import WeightsStatus
from kaito.runtime.status import ServerState, StatusBoard
from kaito.runtime.status.download import DownloadPace
from kaito.runtime.status.metrics import RequestMetrics, RuntimeCollector


@pytest.mark.parametrize(
    ("looks", "speed", "remaining"),
    [
        ([], 0.0, -1.0),
        ([(0, 10)], 0.0, -1.0),
        ([(0, 10), (2, 30)], 10.0, 7.0),
        ([(0, 10), (1, 100), (2, 30)], 10.0, 7.0),
        ([(0, 0), (2, 10), (4, 20), (6, 30), (8, 40), (10, 80)], 8.75, 20 / 8.75),
        ([(0, 50), (2, 50)], 0.0, -1.0),
        ([(0, 50), (2, 10)], 0.0, -1.0),
        ([(0, 50), (2, 100)], 25.0, 0.0),
    ],
)
def test_the_pace_of_a_download_is_that_of_its_last_samples(
    looks: list[tuple[float, int]], speed: float, remaining: float
) -> None:
    pace = DownloadPace()
    for now, loaded in looks:
        pace.look(now, loaded)
    assert pace.speed() == speed
    assert pace.remaining(looks[-1][1] if looks else 0, 100) == pytest.approx(remaining)


@pytest.mark.parametrize(("kind", "shown"), [("hub", True), ("path", False)])
def test_a_download_has_upstream_s_gauges(kind: str, shown: bool) -> None:
    now = 0.0
    weights = WeightsStatus(kind=kind, source="org/name", loadedBytes=0, totalBytes=100)  # type: ignore[typeddict-item]
    board = StatusBoard(ServerState(model="phi", weights=weights, entered=0.0), lambda: now)
    registry = CollectorRegistry()
    registry.register(RuntimeCollector(board, lambda: now))
    names = ("kaito_model_download_speed_bytes_per_second", "kaito_model_download_remaining_seconds")
    assert registry.get_sample_value(names[1]) == (-1.0 if shown else None)
    board.weights(loaded=40)
    now = 4.0
    assert [registry.get_sample_value(name) for name in names] == ([10.0, 6.0] if shown else [None, None])


def test_refusals_are_counted_by_reason_and_the_rate_limit_under_upstream_s_name_too() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    for reason in ("", "rate_limit", "body_too_large"):
        metrics.finished(reason)
    assert registry.get_sample_value("kaito_ratelimit_rejected_total") == 1
    assert registry.get_sample_value("kaito_requests_refused_total", {"reason": "body_too_large"}) == 1
    assert registry.get_sample_value("kaito_requests_refused_total", {"reason": ""}) is None
