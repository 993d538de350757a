"""From a change to the keys it concerns."""

import orjson
import pytest

from kaito.core import Event, Key, Kind
from kaito.core.cache.entry import read_entry
from kaito.core.controller import by_type, from_object, itself, owners_of

POD = Kind("v1", "Pod", dict)
REPLICA_SET = Kind("apps/v1", "ReplicaSet", dict)
P = Key("ns", "p")


def reference(name, *, controller=True, api_version="apps/v1", kind="ReplicaSet"):
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": name, "controller": controller}


def owned(*references, **metadata):
    metadata = {"name": "p", "namespace": "ns", "ownerReferences": list(references), **metadata}
    return read_entry(POD, orjson.dumps({"metadata": metadata}))


def event(old, new):
    return Event(POD, "ADDED" if old is None else "DELETED" if new is None else "MODIFIED", P, old, new)


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        (None, owned(), [P]),
        (owned(), owned(), [P]),
        (owned(), None, [P]),
        (None, None, []),
    ],
)
def test_an_object_stands_for_itself_once_and_no_object_for_nothing(old, new, keys):
    assert list(itself(event(old, new))) == keys


A, B = Key("ns", "a"), Key("ns", "b")


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        (None, owned(reference("a")), [A]),
        (None, owned(reference("a"), reference("b", controller=False)), [A, B]),
        (owned(reference("a")), owned(reference("b")), [A, B]),
        (owned(reference("a")), owned(reference("a")), [A]),
        (owned(reference("a")), owned(), [A]),
        (owned(reference("a")), None, [A]),
        (None, owned(reference("a", api_version="apps/v1beta1")), [A]),
        (None, owned(reference("a", api_version="other/v1")), []),
        (None, owned(reference("a", api_version="apps")), []),
        (None, owned(reference("a", api_version="apps/v1/v2")), []),
        (None, owned(reference("a", kind="Job")), []),
        (None, owned(), []),
        (None, None, []),
    ],
)
def test_an_object_stands_for_its_owners_before_and_now_by_group_and_kind(old, new, keys):
    assert list(dict.fromkeys(owners_of(REPLICA_SET)(event(old, new)))) == keys


def test_owners_that_do_not_control_it_can_be_left_out():
    mapping = owners_of(REPLICA_SET, controller_only=True)
    assert mapping(event(None, owned(reference("a", controller=False), reference("b")))) == [B]


@pytest.mark.parametrize(("namespaced", "namespace"), [(True, "ns"), (None, "ns"), (False, "")])
def test_an_owner_without_namespaces_has_a_key_without_one(namespaced, namespace):
    node = Kind("apps/v1", "ReplicaSet", dict, namespaced=namespaced)
    for mapping in (owners_of(node), owners_of(REPLICA_SET, lambda _kind: namespaced)):
        assert mapping(event(None, owned(reference("a")))) == [Key(namespace, "a")]


def test_both_states_of_an_update_are_mapped():
    mapping = from_object(lambda entry: [Key("ns", name) for name in entry.metadata.labels.values()])
    old, new = owned(labels={"for": "a"}), owned(labels={"for": "b"})
    assert mapping(event(old, new)) == [A, B]
    assert mapping(event(None, new)) == [B]
    assert mapping(event(old, None)) == [A]


def test_each_type_of_change_has_a_mapping_of_its_own_and_missing_ones_are_skipped():
    mapping = by_type(added=lambda _event: [A], deleted=lambda _event: [B])
    assert mapping(event(None, owned())) == [A]
    assert mapping(event(owned(), owned())) == ()
    assert mapping(event(owned(), None)) == [B]
    assert by_type()(event(None, owned())) == ()
