"""Failures double the pause."""

import pytest

from kaito.core.queue import ExponentialBackoff


def test_pauses_double_per_key_up_to_the_cap():
    limiter = ExponentialBackoff()
    pauses = [limiter.next("a") for _ in range(20)]
    assert pauses[:5] == pytest.approx([0.005, 0.01, 0.02, 0.04, 0.08])
    assert pauses[17:] == pytest.approx([655.36, 1000, 1000])
    assert limiter.next("b") == 0.005
    assert limiter.failures("a") == 20


def test_success_starts_over():
    limiter = ExponentialBackoff()
    limiter.next("a")
    limiter.forget("a")
    limiter.forget("never failed")
    assert (limiter.failures("a"), limiter.next("a")) == (0, 0.005)


def test_a_thousand_failures_do_not_overflow():
    limiter = ExponentialBackoff()
    assert [limiter.next("a") for _ in range(1_200)][-1] == 1000
