"""The store: versions, history, watchers, and what a restart finds."""

import sqlite3

import pytest

from kaito.apiserver.store import Store
from kaito.core import KaitoError, Key


def thing(name: str, **fields: object) -> dict[str, object]:
    return {"metadata": {"name": name}, **fields}


def keys(store: Store, **arguments: object) -> list[str]:
    return [str(key) for key, _ in store.scan("things", **arguments)]


def test_every_write_of_any_resource_gets_the_next_version():
    store = Store()
    first, second = thing("a"), thing("b")
    store.put("things", Key("", "a"), first)
    store.put("others", Key("", "b"), second)
    store.remove("things", Key("", "a"), first)
    assert int(second["metadata"]["resourceVersion"]) + 1 == store.version == int(first["metadata"]["resourceVersion"])


def test_objects_are_scanned_in_order_and_from_a_key_on():
    store = Store()
    for namespace, name in (("b", "x"), ("a", "y"), ("a", "x"), ("a", "x-1")):
        store.put("things", Key(namespace, name), thing(name))
    assert keys(store) == ["a/x", "a/x-1", "a/y", "b/x"]
    assert keys(store, after=Key("a", "x-1")) == ["a/y", "b/x"]
    assert keys(store, namespace="a", after=Key("a", "x")) == ["a/x-1", "a/y"]
    assert (store.count("things"), store.count("things", "a"), store.count("nothing")) == (4, 3, 0)


def test_the_history_tells_what_happened_and_what_was_before():
    store = Store()
    key = Key("", "a")
    store.put("things", key, thing("a", size=1))
    start = store.version
    store.put("things", key, thing("a", size=2))
    store.remove("things", key, thing("a", size=2))
    changes = store.history("things", start)
    assert [change.type for change in changes] == ["MODIFIED", "DELETED"]
    assert b'"size":1' in (store.before("things", changes[0]) or b"")


def test_a_bounded_history_says_from_where_it_reaches():
    store = Store(history_limit=100)
    for number in range(600):
        store.put("things", Key("", "a"), thing("a", number=number))
    assert 0 < store.compacted < store.version
    assert store.version - store.compacted <= 100 + 256
    assert store.history("things", store.compacted)[0].version == store.compacted + 1


def test_a_watcher_sees_changes_of_its_resource_until_it_is_closed():
    store = Store()
    watcher = store.watch("things")
    store.put("things", Key("", "a"), thing("a"))
    store.put("others", Key("", "a"), thing("a"))
    assert [change.type for change in watcher.drain()] == ["ADDED"]
    store.unwatch("things", watcher)
    store.put("things", Key("", "a"), thing("a"))
    assert watcher.drain() == []


def test_a_watcher_that_falls_behind_is_cut_off():
    store = Store(watcher_limit=2)
    watcher = store.watch("things")
    for name in "abc":
        store.put("things", Key("", name), thing(name))
    assert watcher.overflowed


def test_a_restart_finds_objects_history_and_version(tmp_path):
    path = tmp_path / "state.db"
    store = Store(path)
    store.put("things", Key("n", "a"), thing("a"))
    store.put("things", Key("n", "b"), thing("b"))
    store.remove("things", Key("n", "b"), thing("b"))
    version = store.version
    # not closed: that is what a crash leaves behind
    again = Store(path)
    assert again.version == version
    assert [str(key) for key, _ in again.scan("things")] == ["n/a"]
    assert len(again.history("things", 0)) == 3
    again.close()
    store.close()


def test_a_checkpoint_moves_the_log_into_the_database(tmp_path):
    store = Store(tmp_path / "state.db")
    store.put("things", Key("", "a"), thing("a" * 100))
    store.checkpoint()
    with sqlite3.connect(tmp_path / "state.db") as other:
        assert other.execute("SELECT count(*) FROM objects").fetchone() == (1,)
    other.close()
    store.close()


def test_a_failed_write_leaves_no_trace():
    store = Store()
    watcher, before = store.watch("things"), store.version
    with pytest.raises(TypeError):
        store.put("things", Key("", "a"), thing("a", wrong=object()))
    assert (store.version, watcher.drain(), store.get("things", Key("", "a"))) == (before, [], None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"not a database, certainly not one of SQLite" * 100), "not a database"),
        (lambda path: _database(path, "CREATE TABLE users (id)"), "not a database of kaito-apiserver"),
        (lambda path: _database(path, "CREATE TABLE t (id); PRAGMA application_id = 1801546100"), "its format is 0"),
    ],
    ids=["garbage", "another program's", "another format"],
)
def test_a_foreign_file_is_refused_with_what_to_do(tmp_path, make, words):
    path = tmp_path / "state.db"
    make(path)
    with pytest.raises(KaitoError) as refused:
        Store(path)
    assert refused.value.reason == "StaleDataDirectory"
    assert words in refused.value.message
    assert "--data-dir" in refused.value.remedy


def _database(path, script):
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
