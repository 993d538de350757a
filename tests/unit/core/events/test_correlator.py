"""What becomes of similar and of many core/v1 Events, without a server."""

from datetime import UTC, datetime, timedelta

import pytest

from kaito.core.events.correlator import COMBINED, Correlator
from kaito.core.events.occurrence import Occurrence, Reference, Source
from kaito.core.recent import REMEMBERED, Recent

START = datetime(2026, 1, 1, tzinfo=UTC)


def thing(name="a"):
    return Reference("example.org/v1", "Thing", "ns", name, "u")


def occurrence(message="made it", *, seconds=0.0, about="a", reason="Made", type_="Normal"):
    return Occurrence(thing(about), None, type_, reason, message, "", START + timedelta(seconds=seconds), seconds)


@pytest.fixture
def ledger():
    return Correlator(Source("echo", "echo-host"))


def note_all(ledger, *occurrences):
    return [ledger.note(one) for one in occurrences]


def test_the_tenth_of_similar_events_speaks_for_all_that_follow(ledger):
    written = note_all(ledger, *(occurrence(str(number)) for number in range(15)))
    records = [id(one.record) for one in written]
    assert len(set(records[:9])) == 9
    assert set(records[9:]) == {records[9]}
    assert written[9].record.event["message"] == COMBINED + "14"
    assert written[14].change == {
        "count": 6,
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "message": COMBINED + "14",
    }


@pytest.mark.parametrize(
    "other", [{"about": "b"}, {"reason": "Lost"}, {"type_": "Warning"}], ids=["object", "reason", "type"]
)
def test_events_that_differ_in_more_than_their_words_are_not_similar(ledger, other):
    note_all(ledger, *(occurrence(str(number)) for number in range(9)))
    assert ledger.note(occurrence("x", **other)).record.event["message"] == "x"
    assert ledger.note(occurrence("x")).record.event["message"] == COMBINED + "x"


def test_equal_events_are_counted_and_never_combined(ledger):
    written = note_all(ledger, *(occurrence() for _ in range(20)))
    assert {id(one.record) for one in written} == {id(written[0].record)}
    assert written[-1].change == {"count": 20, "lastTimestamp": "2026-01-01T00:00:00Z"}


def test_after_ten_quiet_minutes_similar_events_are_told_one_by_one_again(ledger):
    note_all(ledger, *(occurrence(str(number)) for number in range(12)))
    assert ledger.note(occurrence("late", seconds=600)).record.event["message"] == COMBINED + "late"
    assert ledger.note(occurrence("later", seconds=1_201)).record.event["message"] == "later"


def test_an_object_has_twenty_five_events_at_once_and_then_one_in_five_minutes(ledger):
    written = note_all(ledger, *(occurrence() for _ in range(40)))
    assert sum(one is not None for one in written) == 25
    later = note_all(ledger, *(occurrence(seconds=at) for at in (299, 301, 302, 599, 601)))
    assert [one is not None for one in later] == [False, True, False, False, True]
    assert ledger.note(occurrence(about="b")) is not None


def test_what_was_left_out_is_in_the_count_of_what_is_written_next(ledger):
    note_all(ledger, *(occurrence() for _ in range(30)))
    assert ledger.note(occurrence(seconds=300)).change["count"] == 31


def test_what_is_remembered_has_an_end():
    recent = Recent()
    for number in range(REMEMBERED):
        recent.put(number, number)
    assert recent.get(0) == 0
    recent.put("new", 1)
    assert (recent.get(0), recent.get(1)) == (0, None)
