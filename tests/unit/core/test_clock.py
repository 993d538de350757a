"""Timestamps round-trip; deadlines fire on the injected clock."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from kaito.core import SystemClock, parse_timestamp, timestamp
from kaito.core.clock import deadline, micro_timestamp
from kaito.testing import VirtualClock


def test_timestamps_are_utc_and_round_trip():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(moment) == "2026-01-02T01:04:05Z"
    assert parse_timestamp(timestamp(moment)) == moment
    assert micro_timestamp(moment) == "2026-01-02T01:04:05.000000Z"
    assert parse_timestamp("2026-01-02T03:04:05.123456+02:00") == moment + timedelta(microseconds=123456)


def test_a_timestamp_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        parse_timestamp("2026-01-02T03:04:05")


async def test_a_deadline_fires_on_the_virtual_clock_and_says_so():
    clock = VirtualClock()

    async def wait():
        async with deadline(clock, 5) as limit:
            try:
                await asyncio.Event().wait()
            finally:
                fired.append(limit.expired())

    fired: list[bool] = []
    waiting = asyncio.create_task(wait())
    await clock.advance(4.9)
    assert not waiting.done()
    await clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await waiting


async def test_a_deadline_that_is_kept_leaves_no_sleeper():
    clock = VirtualClock()
    async with deadline(clock, 5):
        await clock.settle()
        assert clock.sleeping == 1
    await clock.settle()
    assert clock.sleeping == 0
    async with deadline(clock, None):
        pass


def test_the_system_clock_is_aware_and_monotonic():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
