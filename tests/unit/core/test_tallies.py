"""Cheap counters and histograms say the same as those of prometheus-client."""

import random

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from kaito.core.tallies import Histograms, Tallies

BOUNDS = (1e-08, 0.001, 0.5, 1.0, 1000.0)


def exposed(registry):
    """What a scrape says, but for when each series was created."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def test_a_scrape_reads_the_same_as_of_the_usual_kind():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counters = Tallies("jobs", "Help.", ("a", "b"), ours), Counter("jobs", "Help.", ("a", "b"), registry=theirs)
    histograms = (
        Histograms("took_seconds", "Help.", ("a",), BOUNDS, ours),
        Histogram("took_seconds", "Help.", ("a",), buckets=BOUNDS, registry=theirs),
    )
    dice = random.Random(1)
    values = [*BOUNDS, 0.0, 2000.0, *(dice.expovariate(1) for _ in range(50))]
    for counter, histogram in zip(counters, histograms, strict=True):
        counter.labels("untouched", "")
        for _ in range(3):
            counter.labels("x", 'quo"te').inc()
        for value in values:
            histogram.labels("x").observe(value)
    assert exposed(ours) == exposed(theirs)


def test_the_same_labels_are_the_same_series():
    tallies = Tallies("jobs", "Help.", ("a",), None)
    assert tallies.labels("x") is tallies.labels("x")
    assert tallies.labels("x") is not tallies.labels("y")
