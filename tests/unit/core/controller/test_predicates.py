"""Which changes matter: truth tables."""

import orjson
import pytest

from kaito.core import Event, KaitoError, Key, Kind, parse_selector
from kaito.core.cache.entry import read_entry
from kaito.core.controller import (
    all_of,
    annotations_changed,
    any_of,
    deletion_began,
    generation_changed,
    keep,
    labels_changed,
    not_,
    object_is,
    resource_version_changed,
    selected_by,
)

POD = Kind("v1", "Pod", dict)
GONE = "2026-01-01T00:00:00Z"


def entry(**metadata):
    return read_entry(POD, orjson.dumps({"metadata": {"name": "p", "namespace": "ns", **metadata}}))


def change(kind, old, new):
    return Event(POD, kind, Key("ns", "p"), old, new)


def update(old, new):
    return change("MODIFIED", old, new)


CREATED, DELETED = change("ADDED", None, entry()), change("DELETED", entry(), None)
CHANGED = (resource_version_changed, generation_changed, labels_changed, annotations_changed)


@pytest.mark.parametrize("predicate", CHANGED)
def test_what_asks_for_a_change_keeps_creations_and_deletions(predicate):
    assert predicate(CREATED)
    assert predicate(DELETED)
    assert predicate(change("ADDED", None, None))


@pytest.mark.parametrize("predicate", CHANGED)
def test_an_update_without_one_of_its_states_is_left_out(predicate):
    changed = entry(resourceVersion="9", generation=9, labels={"a": "1"}, annotations={"a": "1"})
    assert not predicate(update(None, changed))
    assert not predicate(update(changed, None))
    assert not predicate(update(None, None))


@pytest.mark.parametrize(
    ("predicate", "old", "new", "kept"),
    [
        (resource_version_changed, {"resourceVersion": "1"}, {"resourceVersion": "1"}, False),
        (resource_version_changed, {"resourceVersion": "1"}, {"resourceVersion": "2"}, True),
        (generation_changed, {"generation": 1}, {"generation": 1, "resourceVersion": "2"}, False),
        (generation_changed, {"generation": 1}, {"generation": 2}, True),
        (labels_changed, {}, {}, False),
        (labels_changed, {"labels": {}}, {}, False),
        (labels_changed, {"labels": {"a": "1"}}, {"labels": {"a": "1"}}, False),
        (labels_changed, {"labels": {"a": "1", "b": "2"}}, {"labels": {"b": "2", "a": "1"}}, False),
        (labels_changed, {"labels": {"a": "1"}}, {"labels": {"a": "2"}}, True),
        (labels_changed, {"labels": {"a": "1"}}, {"labels": {"a": "1", "b": ""}}, True),
        (labels_changed, {"labels": {"a": "1"}}, {}, True),
        (labels_changed, {}, {"labels": {"a": "1"}}, True),
        (labels_changed, {"annotations": {"a": "1"}}, {"annotations": {"a": "2"}}, False),
        (annotations_changed, {}, {}, False),
        (annotations_changed, {"annotations": {}}, {}, False),
        (annotations_changed, {"annotations": {"a": "1"}}, {"annotations": {"a": "1"}}, False),
        (annotations_changed, {"annotations": {"a": "1"}}, {"annotations": {"a": "2"}}, True),
        (annotations_changed, {}, {"annotations": {"a": "1"}}, True),
        (annotations_changed, {"annotations": {"a": "1"}}, {}, True),
        (annotations_changed, {"labels": {"a": "1"}}, {"labels": {"a": "2"}}, False),
        (deletion_began, {}, {}, False),
        (deletion_began, {}, {"deletionTimestamp": GONE}, True),
        (deletion_began, {"deletionTimestamp": GONE}, {"deletionTimestamp": GONE}, False),
    ],
)
def test_updates_are_kept_if_what_is_asked_for_changed(predicate, old, new, kept):
    assert predicate(update(entry(**old), entry(**new))) is kept


def test_the_beginning_of_a_deletion_is_no_creation_unless_it_is_found_going():
    assert deletion_began(DELETED)
    assert not deletion_began(CREATED)
    assert deletion_began(change("ADDED", None, entry(deletionTimestamp=GONE)))


def test_a_selector_judges_the_newer_state_and_of_a_deletion_the_last():
    web, db = entry(labels={"app": "web"}), entry(labels={"app": "db"})
    for selector in ("app=web", parse_selector("app=web")):
        predicate = selected_by(selector)
        assert predicate(change("ADDED", None, web))
        assert not predicate(change("ADDED", None, db))
        assert predicate(update(db, web))
        assert not predicate(update(web, db))
        assert predicate(change("DELETED", web, None))
        assert not predicate(change("DELETED", db, None))
        assert not predicate(change("ADDED", None, None))
    assert selected_by("")(CREATED)


def test_a_selector_that_is_none_is_refused():
    with pytest.raises(KaitoError, match="InvalidSelector"):
        selected_by("app in web")


def test_a_function_filters_objects_whatever_happened_to_them():
    predicate = object_is(lambda entry: entry.metadata.generation > 1)
    old, new = entry(generation=1), entry(generation=2)
    assert predicate(update(old, new))
    assert not predicate(update(new, old))
    assert predicate(change("DELETED", new, None))
    assert not predicate(change("DELETED", old, None))


def test_each_type_of_change_is_judged_by_its_own_and_kept_where_there_is_none():
    predicate = keep(modified=labels_changed, deleted=no)
    assert predicate(CREATED)
    assert not predicate(update(entry(), entry()))
    assert not predicate(DELETED)
    assert keep()(DELETED)


def yes(_event):
    return True


def no(_event):
    return False


def never(_event):
    raise AssertionError("it was asked although the answer was known")


@pytest.mark.parametrize(
    ("parts", "any_kept", "all_kept"),
    [
        ((), False, True),
        ((yes,), True, True),
        ((no,), False, False),
        ((no, yes), True, False),
        ((yes, no), True, False),
        ((yes, yes), True, True),
        ((no, no), False, False),
    ],
)
def test_predicates_combine(parts, any_kept, all_kept):
    for event in (CREATED, DELETED, update(entry(), entry())):
        assert any_of(*parts)(event) is any_kept
        assert all_of(*parts)(event) is all_kept
        assert not_(any_of(*parts))(event) is not any_kept


def test_no_more_predicates_are_asked_than_needed():
    assert any_of(yes, never)(CREATED)
    assert not all_of(no, never)(CREATED)
