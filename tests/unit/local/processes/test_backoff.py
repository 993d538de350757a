"""Waits between restarts."""

from kaito.local.processes import Backoff


def test_waits_double_from_one_second_to_thirty() -> None:
    backoff, waits = Backoff(), []
    for _ in range(8):
        backoff = backoff.crashed(0.1)
        waits.append(backoff.seconds)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_process_that_ran_for_a_minute_starts_anew() -> None:
    backoff = Backoff(5).crashed(60)
    assert backoff.seconds == 1
    assert Backoff().seconds == 0
