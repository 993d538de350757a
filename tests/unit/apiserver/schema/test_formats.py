import pytest

from kaito.apiserver.schema.formats import has_format, in_integer_range, parse_duration


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2026-01-02T03:04:05.123+01:00", "2026-01-02"),
        ("date", "2026-01-02", "02.01.2026"),
        ("duration", "1h30m", "1 hour"),
        ("byte", "YQ==", "a"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
        ("hostname", "a.example.org", "a_b"),
        ("uri", "https://example.org/x", "no uri"),
        ("email", "a@b.c", "ab.c"),
        ("quantity", "1Gi", "1GiB"),
        ("mac", "00:11:22:33:44:55", "00:11"),
    ],
)
def test_formats_tell_good_from_bad(name, good, bad):
    assert has_format(good, name)
    assert not has_format(bad, name)


@pytest.mark.parametrize(("text", "seconds"), [("1h30m", 5400), ("-1.5s", -1.5), ("0", 0), ("100ms", 0.1)])
def test_durations_are_read_as_go_reads_them(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


def test_integers_have_the_range_of_their_format():
    assert in_integer_range(2**31 - 1, "int32")
    assert not in_integer_range(2**31, "int32")
    assert in_integer_range(2**80, "")
