"""Owners and predicates."""

import orjson
import pytest

from kaito.core import Event, Key, Kind
from kaito.core.cache.entry import read_entry
from kaito.core.controller import (
    all_of,
    annotations_changed,
    any_of,
    deletion_began,
    generation_changed,
    labels_changed,
)
from kaito.core.controller.sources import Source, controller_owner, itself

POD = Kind("v1", "Pod", dict)
OWNER = Kind("apps/v1", "ReplicaSet", dict)


def entry(*, owner=None, controller=True, api_version="apps/v1", kind="ReplicaSet", **metadata):
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": api_version, "kind": kind, "name": owner, "uid": owner, "controller": controller}
        ]
    return read_entry(POD, orjson.dumps({"metadata": {"name": "p", "namespace": "ns", **metadata}}))


def event(old, new):
    return Event(POD, "MODIFIED", Key("ns", "p"), old, new)


@pytest.mark.parametrize(
    ("old", "new", "namespaced", "keys"),
    [
        (None, entry(owner="a"), True, [Key("ns", "a")]),
        (None, entry(owner="a"), None, [Key("ns", "a")]),
        (None, entry(owner="a"), False, [Key("", "a")]),
        (entry(owner="a"), entry(owner="b"), True, [Key("ns", "a"), Key("ns", "b")]),
        (entry(owner="a"), entry(owner="a"), True, [Key("ns", "a")]),
        (entry(owner="a"), None, True, [Key("ns", "a")]),
        (None, entry(owner="a", api_version="apps/v1beta1"), True, [Key("ns", "a")]),
        (None, entry(owner="a", api_version="other/v1"), True, []),
        (None, entry(owner="a", kind="Job"), True, []),
        (None, entry(owner="a", controller=False), True, []),
        (None, entry(), True, []),
    ],
)
def test_an_object_stands_for_its_controllers_before_and_now(old, new, namespaced, keys):
    source = Source(POD, controller_owner(OWNER, lambda _kind: namespaced))
    assert list(source.keys(event(old, new))) == keys


def test_a_predicate_decides_before_the_mapping():
    assert list(Source(POD, itself, lambda _event: False).keys(event(None, entry()))) == []
    assert list(Source(POD, itself).keys(event(None, entry()))) == [Key("ns", "p")]


CASES = [
    (generation_changed, entry(generation=1), entry(generation=1), False),
    (generation_changed, entry(generation=1), entry(generation=2), True),
    (labels_changed, entry(labels={"a": "1"}), entry(labels={"a": "1"}), False),
    (labels_changed, entry(labels={"a": "1"}), entry(), True),
    (annotations_changed, entry(), entry(annotations={"a": "1"}), True),
    (annotations_changed, entry(), entry(), False),
    (deletion_began, entry(), entry(), False),
    (deletion_began, entry(), entry(deletionTimestamp="2026-01-01T00:00:00Z"), True),
    (
        deletion_began,
        entry(deletionTimestamp="2026-01-01T00:00:00Z"),
        entry(deletionTimestamp="2026-01-01T00:00:00Z"),
        False,
    ),
]


@pytest.mark.parametrize(("predicate", "old", "new", "kept"), CASES)
def test_predicates_compare_the_two_states(predicate, old, new, kept):
    assert predicate(event(old, new)) is kept


@pytest.mark.parametrize("predicate", [generation_changed, labels_changed, annotations_changed, deletion_began])
def test_a_deletion_is_always_kept(predicate):
    assert predicate(event(entry(), None))


def test_predicates_combine():
    def yes(_event):
        return True

    def no(_event):
        return False

    assert any_of(no, yes)(event(None, entry()))
    assert not all_of(no, yes)(event(None, entry()))
    assert all_of(yes, yes)(event(None, entry()))
    assert not any_of(no, no)(event(None, entry()))
