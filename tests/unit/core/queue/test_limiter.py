"""How long failed keys wait: client-go's limiters, and what they do together."""

import pytest

from kaito.core.queue import ExponentialBackoff, FastSlow, MaxOf, MaxWait, TokenBucket
from kaito.testing import VirtualClock


def test_pauses_double_per_key_up_to_the_cap():
    limiter = ExponentialBackoff()
    pauses = [limiter.next("a") for _ in range(20)]
    assert pauses[:5] == pytest.approx([0.005, 0.01, 0.02, 0.04, 0.08])
    assert pauses[17:] == pytest.approx([655.36, 1000, 1000])
    assert limiter.next("b") == 0.005
    assert limiter.failures("a") == 20


def test_base_and_cap_can_be_chosen():
    limiter = ExponentialBackoff(base=0.001, cap=0.01)
    assert [limiter.next("a") for _ in range(6)] == pytest.approx([0.001, 0.002, 0.004, 0.008, 0.01, 0.01])


def test_success_starts_over():
    limiter = ExponentialBackoff()
    limiter.next("a")
    limiter.forget("a")
    limiter.forget("never failed")
    assert (limiter.failures("a"), limiter.next("a")) == (0, 0.005)


def test_a_thousand_failures_do_not_overflow():
    limiter = ExponentialBackoff()
    assert [limiter.next("a") for _ in range(1_200)][-1] == 1000


def test_a_bucket_lets_a_burst_through_and_then_its_rate_for_all_keys_together():
    clock = VirtualClock()
    bucket = TokenBucket(clock)
    assert [bucket.next(number) for number in range(100)] == [0] * 100
    assert [bucket.next("a"), bucket.next("b"), bucket.next("a")] == pytest.approx([0.1, 0.2, 0.3])


async def test_a_bucket_fills_with_time_and_no_further_than_its_burst():
    clock = VirtualClock()
    bucket = TokenBucket(clock, rate=10, burst=3)
    assert [bucket.next("a") for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])
    await clock.advance(0.3)
    assert [bucket.next("a") for _ in range(3)] == pytest.approx([0, 0, 0.1])
    await clock.advance(3_600)
    assert [bucket.next("a") for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_a_bucket_forgets_nothing_because_it_knows_no_keys():
    bucket = TokenBucket(VirtualClock(), rate=1, burst=1)
    bucket.next("a")
    bucket.forget("a")
    assert bucket.failures("a") == 0
    assert bucket.next("a") == 1


def test_fast_a_few_times_then_slow_until_forgotten():
    limiter = FastSlow(0.005, 10, fast_failures=3)
    assert [limiter.next("a") for _ in range(5)] == [0.005, 0.005, 0.005, 10, 10]
    assert limiter.failures("a") == 5
    assert limiter.next("b") == 0.005
    limiter.forget("a")
    assert (limiter.failures("a"), limiter.next("a")) == (0, 0.005)


def test_the_longest_of_several_counts_and_all_are_charged():
    exponential, steady = ExponentialBackoff(base=1), FastSlow(3, 3, fast_failures=1)
    limiter = MaxOf(exponential, steady)
    assert [limiter.next("a") for _ in range(4)] == [3, 3, 4, 8]
    assert limiter.failures("a") == exponential.failures("a") == steady.failures("a") == 4
    limiter.forget("a")
    assert limiter.failures("a") == 0
    assert limiter.next("a") == 3


def test_a_longest_wait_caps_another_limiter_and_nothing_else():
    inner = ExponentialBackoff(base=1)
    limiter = MaxWait(inner, cap=5)
    assert [limiter.next("a") for _ in range(5)] == [1, 2, 4, 5, 5]
    assert limiter.failures("a") == inner.failures("a") == 5
    limiter.forget("a")
    assert limiter.next("a") == 1
