"""What happens to an object because of its owners."""

from typing import Any

import pytest

from kaito.core import Event, Key, Kind, Metadata, OwnerReference
from kaito.core.cache import CacheEntry
from kaito.local.controllers.garbage.decide import FOREGROUND, ORPHAN, Decision, OwnerState, decide
from kaito.local.controllers.garbage.reconciler import affected
from kaito.local.controllers.garbage.resources import kinds_of


def owner(uid: str, *, blocks: bool = True) -> OwnerReference:
    return OwnerReference("apps/v1", "ReplicaSet", uid, uid, True, blocks)


def metadata(uid: str = "me", owners: tuple[OwnerReference, ...] = (), **extra: Any) -> Metadata:
    return Metadata(name=uid, namespace="default", uid=uid, owner_references=owners, **extra)


@pytest.mark.parametrize(
    ("states", "dependents", "expected"),
    [
        ([], 0, Decision()),
        (["present"], 0, Decision()),
        (["absent"], 0, Decision(delete="Background")),
        (["absent", "absent"], 1, Decision(delete="Background")),
        (["waiting"], 0, Decision(delete="Background")),
        (["waiting"], 1, Decision(delete="Foreground")),
    ],
)
def test_an_object_goes_when_its_last_owner_is_gone(
    states: list[OwnerState], dependents: int, expected: Decision
) -> None:
    owners = [(owner(f"o{i}"), state) for i, state in enumerate(states)]
    found = decide(metadata(), owners, [metadata(f"d{i}", (owner("me"),)) for i in range(dependents)])
    assert found == expected


def test_an_object_with_another_owner_only_loses_the_gone_ones() -> None:
    kept, gone = owner("kept"), owner("gone")
    assert decide(metadata(), [(kept, "present"), (gone, "absent")], []) == Decision(keep_owners=(kept,))


def test_a_cluster_scoped_object_is_never_collected_for_a_namespaced_owner() -> None:
    namespaced = owner("n")
    assert decide(metadata(), [(namespaced, "wrong scope")], []) == Decision(wrong_scope=(namespaced,))
    both = decide(metadata(), [(namespaced, "wrong scope"), (owner("gone"), "absent")], [])
    assert both.delete == ""


def test_foreground_waits_for_blocking_dependents_and_no_others() -> None:
    own = metadata(deletion_timestamp="2026-01-01T00:00:00Z", finalizers=(FOREGROUND,))
    blocking = metadata("d", (owner("me"),))
    loose = metadata("e", (owner("me", blocks=False),))
    assert decide(own, [], [blocking, loose]) == Decision(delete_dependents=True)
    assert decide(own, [], [loose]) == Decision(remove_finalizer=FOREGROUND)


def test_orphan_leaves_the_dependents_and_then_lets_go() -> None:
    own = metadata(deletion_timestamp="2026-01-01T00:00:00Z", finalizers=(ORPHAN,))
    assert decide(own, [], [metadata("d", (owner("me"),))]) == Decision(remove_finalizer=ORPHAN, orphan_dependents=True)


def test_an_object_that_is_being_deleted_is_not_deleted_again() -> None:
    own = metadata(deletion_timestamp="2026-01-01T00:00:00Z")
    assert decide(own, [(owner("o"), "absent")], []) == Decision()


POD: Kind[dict[str, Any]] = Kind("v1", "Pod", dict, "pods", True)


def entry(of: Metadata) -> CacheEntry[Any]:
    return CacheEntry(POD, of, b"{}")


def test_an_event_wakes_the_object_its_owners_and_when_it_goes_its_dependents() -> None:
    child, parent = entry(metadata("child", (owner("parent"),))), entry(metadata("parent"))

    def dependents(uid: str) -> list[CacheEntry[Any]]:
        return [child] if uid == "parent" else []

    key = Key("default", "x")
    assert affected(Event(POD, "ADDED", key, None, child), dependents) == {"child"}
    assert affected(Event(POD, "DELETED", key, parent, None), dependents) == {"child"}
    assert affected(Event(POD, "DELETED", key, child, None), dependents) == {"parent"}
    assert affected(Event(POD, "MODIFIED", key, child, child), dependents) == set()
    assert affected(Event(POD, "ADDED", key, None, parent), dependents) == set()


def test_only_what_can_be_listed_watched_and_deleted_is_followed() -> None:
    resources = [
        {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list", "watch", "delete"]},
        {"name": "pods/log", "kind": "Pod", "namespaced": True, "verbs": ["list", "watch", "delete"]},
        {"name": "bindings", "kind": "Binding", "namespaced": True, "verbs": ["create"]},
        {"name": "events", "kind": "Event", "namespaced": True, "verbs": ["list", "watch", "delete"]},
    ]
    assert [kind.plural for kind in kinds_of("v1", resources)] == ["pods"]
