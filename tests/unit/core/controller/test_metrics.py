"""A controller's series, by controller-runtime's names, before anything has happened."""

import pytest
from prometheus_client import CollectorRegistry

from kaito.core import KaitoError
from kaito.core.controller import ControllerMetricFamilies

BUCKETS = (
    "0.005 0.01 0.025 0.05 0.1 0.15 0.2 0.25 0.3 0.35 0.4 0.45 0.5 0.6 0.7 0.8 0.9 1.0 1.25 1.5 1.75 2.0 2.5 3.0 3.5 "
    "4.0 4.5 5.0 6.0 7.0 8.0 9.0 10.0 15.0 20.0 25.0 30.0 40.0 50.0 60.0 +Inf"
)


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def families(registry):
    return ControllerMetricFamilies(registry)


def samples(registry):
    return [sample for family in registry.collect() for sample in family.samples]


def test_every_series_of_a_controller_is_there_at_nought(families, registry):
    families.controller("c", 3)
    found = {
        (sample.name, sample.labels.get("result")): sample.value
        for sample in samples(registry)
        if sample.name.startswith("controller_runtime_") and "le" not in sample.labels
    }
    assert found == {
        ("controller_runtime_reconcile_total", "error"): 0,
        ("controller_runtime_reconcile_total", "requeue_after"): 0,
        ("controller_runtime_reconcile_total", "requeue"): 0,
        ("controller_runtime_reconcile_total", "success"): 0,
        ("controller_runtime_reconcile_errors_total", None): 0,
        ("controller_runtime_terminal_reconcile_errors_total", None): 0,
        ("controller_runtime_reconcile_panics_total", None): 0,
        ("controller_runtime_reconcile_timeouts_total", None): 0,
        ("controller_runtime_reconcile_time_seconds_count", None): 0,
        ("controller_runtime_reconcile_time_seconds_sum", None): 0,
        ("controller_runtime_max_concurrent_reconciles", None): 3,
        ("controller_runtime_active_workers", None): 0,
    }


def test_the_time_of_a_reconcile_has_forty_buckets(families, registry):
    families.controller("c", 1)
    name = "controller_runtime_reconcile_time_seconds_bucket"
    assert [sample.labels["le"] for sample in samples(registry) if sample.name == name] == BUCKETS.split()


def test_a_name_is_taken_once(families):
    families.controller("c", 1)
    families.controller("d", 1)
    with pytest.raises(KaitoError, match="NameTaken: there already is a controller 'c'"):
        families.controller("c", 1)
