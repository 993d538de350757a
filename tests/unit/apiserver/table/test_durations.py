from datetime import UTC, datetime

import pytest

from kaito.apiserver.table import age, human_duration

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


# The table of apimachinery's duration_test.go, and the borders between its rows.
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (1, "1s"),
        (70, "70s"),
        (119, "119s"),
        (190, "3m10s"),
        (2 * MINUTE, "2m"),
        (70 * MINUTE, "70m"),
        (47 * HOUR, "47h"),
        (49 * HOUR, "2d1h"),
        (8 * DAY + 2 * HOUR, "8d"),
        (367 * DAY, "367d"),
        (365 * 2 * DAY + 25 * HOUR, "2y1d"),
        (365 * 8 * DAY + 2 * HOUR, "8y"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (9 * MINUTE + 59, "9m59s"),
        (10 * MINUTE, "10m"),
        (48 * HOUR, "2d"),
    ],
)
def test_durations_print_as_kubernetes_prints_them(seconds, text):
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        ("2026-01-02T03:03:35Z", "30s"),
        ("2026-01-02T04:04:05+01:00", "0s"),
        ("2026-01-02T03:03:35.500000Z", "29s"),
        (None, "<unknown>"),
        ("", "<unknown>"),
        ("soon", "<invalid>"),
    ],
)
def test_an_age_is_the_time_since(timestamp, text):
    assert age(timestamp, NOW) == text
