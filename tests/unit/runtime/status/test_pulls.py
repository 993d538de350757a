from prometheus_client import CollectorRegistry

from kaito.contracts import AdapterStatus
from kaito.runtime.status.adapter_metrics import AdapterMetrics
from kaito.runtime.status.pulls import AdapterPulls

PULLING = AdapterStatus(name="a", state="Pulling", reason="", message="")


def test_a_pull_shows_its_bytes_until_it_ends() -> None:
    pulls = AdapterPulls()
    with pulls.begin("a") as came:
        assert pulls.shown_in(PULLING) == {**PULLING, "pulledBytes": 0}
        came(30, 0)
        assert pulls.shown_in(PULLING) == {**PULLING, "pulledBytes": 30}
        came(40, 100)
        assert pulls.shown_in(PULLING) == {**PULLING, "pulledBytes": 40, "totalBytes": 100}
        other = AdapterStatus(name="b", state="Ready", reason="", message="")
        assert pulls.shown_in(other) == other
    assert pulls.shown_in(PULLING) == PULLING


def test_a_pull_that_is_ending_does_not_hide_the_one_in_its_place() -> None:
    pulls = AdapterPulls()
    with pulls.begin("a") as old:
        old(99, 99)
        with pulls.begin("a") as new:
            new(1, 10)
            old(98, 99)
            assert pulls.shown_in(PULLING) == {**PULLING, "pulledBytes": 1, "totalBytes": 10}


def test_the_metric_has_the_pulls_under_way_alone() -> None:
    registry = CollectorRegistry()
    pulls = AdapterMetrics(registry).pulls
    labels = [{"adapter": "a", "state": state} for state in ("pulled", "total")]
    with pulls.begin("a") as came:
        came(40, 100)
        shown = [registry.get_sample_value("kaito_runtime_adapter_pull_bytes", each) for each in labels]
        assert shown == [40, 100]
    assert registry.get_sample_value("kaito_runtime_adapter_pull_bytes", labels[0]) is None
