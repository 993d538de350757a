"""A controller that counts its objects waits until its cache shows what it asked for."""

import pytest

from kaito.core import Expectations, Key
from kaito.testing import VirtualClock

KEY = Key("ns", "set")


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def expectations(clock):
    return Expectations(clock)


def test_nothing_expected_is_fulfilled(expectations):
    assert expectations.fulfilled(KEY)


def test_creations_are_counted_down_to_none_and_not_below(expectations):
    expectations.expect(KEY, creations=2)
    expectations.created(KEY)
    assert not expectations.fulfilled(KEY)
    expectations.created(KEY)
    expectations.created(KEY)
    expectations.expect(KEY, creations=1)
    assert not expectations.fulfilled(KEY)
    expectations.created(KEY)
    assert expectations.fulfilled(KEY)


def test_a_deletion_that_is_seen_twice_counts_once(expectations):
    expectations.expect(KEY, deletions=frozenset({"a", "b"}))
    expectations.deleted(KEY, "a")
    expectations.deleted(KEY, "a")
    expectations.deleted(KEY, "stranger")
    assert not expectations.fulfilled(KEY)
    expectations.deleted(KEY, "b")
    assert expectations.fulfilled(KEY)


def test_keys_do_not_wait_for_one_another(expectations):
    expectations.expect(KEY, creations=1)
    assert expectations.fulfilled(Key("ns", "other"))


async def test_what_does_not_come_within_five_minutes_is_not_expected_any_more(expectations, clock):
    expectations.expect(KEY, creations=1)
    await clock.advance(299)
    assert not expectations.fulfilled(KEY)
    await clock.advance(2)
    assert expectations.fulfilled(KEY)


def test_a_key_that_is_gone_is_forgotten(expectations):
    expectations.expect(KEY, creations=1)
    expectations.forget(KEY)
    assert expectations.fulfilled(KEY)
