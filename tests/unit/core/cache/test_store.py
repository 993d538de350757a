"""The store and its indexes."""

import asyncio

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.core import KaitoError, Key, Kind
from kaito.core.cache import slices
from kaito.core.cache.entry import reached, read_entry
from kaito.core.cache.store import Store

THING = Kind("example.org/v1", "Thing", dict)


def entry(name, version="1", *, uid=None, labels=None, owners=(), **fields):
    metadata = {
        "name": name,
        "namespace": "ns",
        "uid": uid or name,
        "resourceVersion": version,
        "labels": labels or {},
        "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": o, "uid": o} for o in owners],
    }
    return read_entry(THING, orjson.dumps({"metadata": metadata, **fields}))


def names(entries):
    return sorted(found.metadata.name for found in entries)


@pytest.fixture
def store():
    return Store(THING)


def test_changes_are_added_modified_deleted_and_nothing(store):
    a1, a2 = entry("a"), entry("a", "2")
    assert store.put(a1).type == "ADDED"
    assert store.put(a1) is None
    changed = store.put(a2)
    assert (changed.type, changed.old, changed.new) == ("MODIFIED", a1, a2)
    gone = store.remove(Key("ns", "a"))
    assert (gone.type, gone.old, gone.new) == ("DELETED", a2, None)
    assert store.remove(Key("ns", "a")) is None


async def test_a_replacement_tells_real_differences_alone_and_deletions_first(store):
    await store.replace([entry("same"), entry("changed"), entry("gone")], "5")
    events = list(await store.replace([entry("new"), entry("same"), entry("changed", "6")], "9"))
    assert [(event.type, event.key.name) for event in events] == [
        ("DELETED", "gone"),
        ("ADDED", "new"),
        ("MODIFIED", "changed"),
    ]
    assert (events[0].old.metadata.name, events[0].final_state_unknown) == ("gone", True)
    assert store.resource_version() == "9"


async def test_a_re_created_object_is_a_change_from_one_uid_to_another(store):
    await store.replace([entry("a", uid="1")], "5")
    (event,) = await store.replace([entry("a", uid="2")], "9")
    assert (event.old.metadata.uid, event.new.metadata.uid) == ("1", "2")


async def test_a_deletion_that_a_list_finds_carries_the_last_known_state(store):
    await store.replace([entry("a", spec={"x": 1})], "5")
    (event,) = await store.replace([], "9")
    assert (event.type, event.old.decode()["spec"], event.new) == ("DELETED", {"x": 1}, None)
    assert event.final_state_unknown
    assert event.entry.key == event.key == Key("ns", "a")


def test_a_deletion_that_the_server_tells_of_carries_its_state(store):
    store.put(entry("a"))
    event = store.remove(Key("ns", "a"), entry("a", "7"))
    assert (event.old.metadata.resource_version, event.final_state_unknown) == ("7", False)


async def test_events_of_the_first_list_alone_are_initial(store):
    assert [event.initial for event in await store.replace([entry("a")], "5")] == [True]
    assert [event.initial for event in await store.replace([entry("a"), entry("b")], "6")] == [False]


async def test_a_list_that_names_an_object_twice_counts_its_last_word(store):
    (event,) = await store.replace([entry("a", "3"), entry("a", "4")], "5")
    assert event.new.metadata.resource_version == "4"
    assert names(store.by_index("owner", "nobody")) == []


async def test_a_reader_never_sees_half_a_replacement_and_others_run_meanwhile(store, monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 2)
    store.add_index("spec", lambda found: [found.json()["spec"]])
    await store.replace([entry(f"o{number}", "1", spec="old") for number in range(20)], "1")
    seen = []

    async def read():
        while True:
            counts = len(store.by_index("spec", "old")), len(store.by_index("spec", "new")), len(store.all())
            seen.append((*counts, store.resource_version()))
            await asyncio.sleep(0)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    await store.replace([entry(f"n{number}", "2", spec="new") for number in range(30)], "2")
    await asyncio.sleep(0)
    reader.cancel()
    assert set(seen) == {(20, 0, 20, "1"), (0, 30, 30, "2")}
    assert len(seen) > (20 + 30 + 30) // 2, "the loop was free after every slice"


async def test_an_index_added_during_a_replacement_covers_all_of_it(store, monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 2)
    replacing = asyncio.create_task(store.replace([entry(f"o{number}") for number in range(10)], "1"))
    await asyncio.sleep(0)
    store.add_index("all", lambda _: ["yes"])
    await replacing
    assert len(store.by_index("all", "yes")) == 10


async def test_a_second_list_of_the_same_objects_keeps_the_first_ones(store):
    first = entry("a")
    await store.replace([first], "5")
    given = [entry("a")]
    assert list(await store.replace(given, "6")) == []
    assert store.get(Key("ns", "a")) is first
    assert given == []


def test_an_index_function_that_fails_gives_no_values_and_harms_nobody(store):
    store.add_index("spec", lambda found: [found.json()["spec"]["x"]])
    store.put(entry("a", spec={"x": "1"}))
    store.put(entry("broken"))
    assert names(store.by_index("spec", "1")) == ["a"]
    assert store.get(Key("ns", "broken")) is not None
    store.remove(Key("ns", "broken"))


def test_what_is_in_an_object_is_not_in_its_representation():
    assert repr(entry("a", "7", data={"password": "hunter2"})) == "<Thing.example.org/v1 ns/a at version 7>"


def test_owners_are_indexed_from_the_start(store):
    store.put(entry("a", owners=["o1", "o2"]))
    store.put(entry("b", owners=["o1"]))
    assert names(store.by_index("owner", "o1")) == ["a", "b"]
    store.put(entry("a", "2", owners=["o2"]))
    assert names(store.by_index("owner", "o1")) == ["b"]
    assert names(store.by_index("owner", "nobody")) == []


def test_an_index_added_late_covers_what_is_there(store):
    store.put(entry("a", labels={"x": "1"}))
    store.add_index("x", lambda found: [found.metadata.labels.get("x", "")])
    assert names(store.by_index("x", "1")) == ["a"]
    with pytest.raises(KaitoError, match="IndexExists"):
        store.add_index("x", lambda _: [])
    with pytest.raises(KaitoError, match="UnknownIndex"):
        store.by_index("y", "1")


_steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sets(st.sampled_from("xyz")) | st.none()), min_size=1, max_size=20
)


@given(_steps)
def test_indexes_never_leak_and_never_miss(steps):
    store, model = Store(THING), {}
    for version, (name, owners) in enumerate(steps):
        if owners is None:
            store.remove(Key("ns", name))
            model.pop(name, None)
        else:
            store.put(entry(name, str(version), owners=owners))
            model[name] = owners
    for owner in "xyz":
        assert names(store.by_index("owner", owner)) == sorted(n for n, o in model.items() if owner in o)
    assert set(store.values("owner")) == set().union(*model.values())


def test_an_entry_drops_managed_fields_and_nulls_and_names_its_kind():
    raw = b'{"metadata":{"name":"a","labels":null,"managedFields":[{"manager":"m"}]},"spec":{"x":1}}'
    found = read_entry(THING, raw)
    assert found.decode() == {
        "apiVersion": "example.org/v1",
        "kind": "Thing",
        "metadata": {"name": "a"},
        "spec": {"x": 1},
    }


def test_every_reader_has_an_object_of_its_own():
    found = entry("a", spec={"x": 1})
    found.decode()["spec"]["x"] = 2
    assert found.decode()["spec"] == {"x": 1}


@pytest.mark.parametrize(
    "raw", [b'{"kind":"Table","metadata":{}}', b'{"apiVersion":"v2","metadata":{}}', b"{}", b"[1]", b"garbage"]
)
def test_what_is_no_object_of_the_kind_is_refused(raw):
    with pytest.raises(ValueError):  # noqa: PT011 - any words will do
        read_entry(THING, raw)


@pytest.mark.parametrize(
    ("seen", "wanted", "expected"),
    [("10", "9", True), ("9", "10", False), ("9", "9", True), ("", "1", False), ("x", "x", True), ("x", "1", False)],
)
def test_versions_have_the_order_of_their_numbers(seen, wanted, expected):
    assert reached(seen, wanted) is expected
