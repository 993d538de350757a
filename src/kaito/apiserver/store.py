"""Where objects live: SQLite with one growing resourceVersion, a bounded history, and watchers that see every change.

All calls come from one thread and finish at once, so a read followed by a write without an `await` between is atomic.
A write survives a crash of the process when it returns (WAL, synchronous=NORMAL; a power cut may lose the last ones).
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import orjson

from kaito.core.errors import KaitoError
from kaito.core.objects import Key, Object

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

_APPLICATION_ID: Final = 0x6B616974
_FORMAT: Final = 1
_COMPACTION_STEP: Final = 256
_TYPES: Final[tuple[ChangeType, ...]] = ("ADDED", "MODIFIED", "DELETED")

_TABLES: Final = ("objects", "history")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  id INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  version INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (resource, namespace, name));
CREATE TABLE IF NOT EXISTS history (
  version INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  type INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS history_by_resource ON history (resource, version);
CREATE TABLE IF NOT EXISTS compaction (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
INSERT OR IGNORE INTO compaction VALUES (1, 0);
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `body` is the object after it (deleted: its last state); `previous` the one before, if known."""

    version: int
    type: ChangeType
    key: Key
    body: bytes
    previous: bytes | None


class Watcher:
    """The changes of one resource since it was opened. A reader more than `limit` changes behind is cut off."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: deque[Change] = deque()
        self._ready = asyncio.Event()
        self.overflowed = False

    def offer(self, change: Change) -> None:
        """Take a change in, or give up when the reader is too slow."""
        if len(self._pending) >= self._limit:
            self.overflowed = True
        else:
            self._pending.append(change)
        self._ready.set()

    def wake(self) -> None:
        """Let the reader look again, without a change."""
        self._ready.set()

    def drain(self) -> list[Change]:
        """Return what came since the last call."""
        self._ready.clear()
        changes = list(self._pending)
        self._pending.clear()
        return changes

    async def wait(self) -> None:
        """Return when there is something to read."""
        await self._ready.wait()


class Store:
    """Objects by resource, namespace and name. `history_limit` counts the changes that a watch can go back.

    Without a path all is in memory, and begins with `state`, which another store's `serialize` returned.
    """

    def __init__(
        self, path: Path | None = None, *, history_limit: int = 10_000, watcher_limit: int = 10_000, state: bytes = b""
    ) -> None:
        self._path = path
        self._history_limit = history_limit
        self._watcher_limit = watcher_limit
        self._watchers: dict[str, set[Watcher]] = {}
        self._db = _open(path, state)
        newest = (self._db.execute(f"SELECT max(version) FROM {table}").fetchone()[0] for table in _TABLES)  # noqa: S608
        self._version: int = max(1, *(version or 0 for version in newest))
        self._compacted: int = self._db.execute("SELECT version FROM compaction").fetchone()[0]
        self._unchecked = False

    @property
    def version(self) -> int:
        """ResourceVersion of the last write, of any resource."""
        return self._version

    @property
    def compacted(self) -> int:
        """The newest resourceVersion that a watch can no longer start from; 0 when the history is whole."""
        return self._compacted

    def get(self, resource: str, key: Key) -> bytes | None:
        """Return the object's JSON, or None."""
        row = self._db.execute(
            "SELECT body FROM objects WHERE resource = ? AND namespace = ? AND name = ?", (resource, *key)
        ).fetchone()
        return row[0] if row else None

    def read(self, resource: str, key: Key) -> Object | None:
        """Return a private copy of the object, or None."""
        body = self.get(resource, key)
        return None if body is None else orjson.loads(body)

    def scan(
        self, resource: str, namespace: str | None = None, after: Key | None = None
    ) -> Iterator[tuple[Key, bytes]]:
        """Yield objects in the order of namespace and name, behind `after`. No write may happen between two steps."""
        start = after or Key("", "")
        if namespace is None:
            query = "AND (namespace, name) > (?, ?) ORDER BY namespace, name"
            arguments: tuple[str, ...] = (resource, *start)
        else:
            query = "AND namespace = ? AND name > ? ORDER BY name"
            arguments = (resource, namespace, start.name)
        rows = self._db.execute(f"SELECT namespace, name, body FROM objects WHERE resource = ? {query}", arguments)  # noqa: S608 - constant text
        return ((Key(row[0], row[1]), row[2]) for row in rows)

    def objects(self, resource: str, namespace: str | None = None) -> list[Object]:
        """Return private copies of all objects of a resource."""
        return [orjson.loads(body) for _, body in self.scan(resource, namespace)]

    def count(self, resource: str, namespace: str | None = None) -> int:
        """Return how many objects there are."""
        query, arguments = "SELECT count(*) FROM objects WHERE resource = ?", [resource]
        if namespace is not None:
            query, arguments = query + " AND namespace = ?", [resource, namespace]
        total: int = self._db.execute(query, arguments).fetchone()[0]
        return total

    def put(self, resource: str, key: Key, obj: Object) -> bytes:
        """Create or replace an object; sets its resourceVersion and returns the stored JSON."""
        previous = self.get(resource, key)
        version = self._version + 1
        obj["metadata"]["resourceVersion"] = str(version)
        body = orjson.dumps(obj)
        change = Change(version, "ADDED" if previous is None else "MODIFIED", key, body, previous)
        upsert = (
            "INSERT INTO objects (resource, namespace, name, version, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (resource, namespace, name) DO UPDATE SET version = excluded.version, body = excluded.body"
        )
        self._commit(resource, change, upsert, (resource, *key, version, body))
        return body

    def remove(self, resource: str, key: Key, last: Object) -> bytes:
        """Delete an object. `last` is its final state, which watchers see; returns its JSON with the new version."""
        previous = self.get(resource, key)
        version = self._version + 1
        last["metadata"]["resourceVersion"] = str(version)
        body = orjson.dumps(last)
        delete = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"
        self._commit(resource, Change(version, "DELETED", key, body, previous), delete, (resource, *key))
        return body

    def _commit(self, resource: str, change: Change, statement: str, arguments: tuple[str | int | bytes, ...]) -> None:
        compact = change.version % _COMPACTION_STEP == 0 and change.version > self._history_limit
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(statement, arguments)
            self._db.execute(
                "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)",
                (change.version, resource, *change.key, _TYPES.index(change.type), change.body),
            )
            if compact:
                self._compact(change.version - self._history_limit)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._version = change.version
        self._unchecked = True
        for watcher in self._watchers.get(resource, ()):
            watcher.offer(change)

    def _compact(self, version: int) -> None:
        self._db.execute("DELETE FROM history WHERE version <= ?", (version,))
        self._db.execute("UPDATE compaction SET version = ?", (version,))
        self._compacted = version

    def compact(self) -> None:
        """Forget the whole history: watches can start from now on only."""
        self._compact(self._version)

    def history(self, resource: str, after: int) -> list[Change]:
        """Return the changes behind a version that is not compacted, oldest first; `previous` is not filled in."""
        rows = self._db.execute(
            "SELECT version, type, namespace, name, body FROM history "
            "WHERE resource = ? AND version > ? ORDER BY version",
            (resource, after),
        )
        return [Change(row[0], _TYPES[row[1]], Key(row[2], row[3]), row[4], None) for row in rows]

    def before(self, resource: str, change: Change) -> bytes | None:
        """Return the object as it was before a change of the history, or None when that is not known."""
        row = self._db.execute(
            "SELECT body FROM history WHERE resource = ? AND version < ? AND namespace = ? AND name = ? "
            "ORDER BY version DESC LIMIT 1",
            (resource, change.version, *change.key),
        ).fetchone()
        return row[0] if row else None

    def watch(self, resource: str) -> Watcher:
        """Open a watcher that sees every change from now on; give it back to `unwatch`."""
        watcher = Watcher(self._watcher_limit)
        self._watchers.setdefault(resource, set()).add(watcher)
        return watcher

    def unwatch(self, resource: str, watcher: Watcher) -> None:
        """Close a watcher."""
        self._watchers.get(resource, set()).discard(watcher)

    def wake_watchers(self) -> None:
        """Let every watcher's reader look again (at shutdown)."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.wake()

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database. Its fsync takes milliseconds: call it from another thread."""
        if self._path is None or not self._unchecked:
            return
        self._unchecked = False
        with sqlite3.connect(self._path, isolation_level=None, timeout=1) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        connection.close()

    def serialize(self) -> bytes:
        """Return everything that is here, for a store in memory to begin with."""
        return self._db.serialize()

    def close(self) -> None:
        """Close the database; the write-ahead log goes into it."""
        self._db.close()


def _open(path: Path | None, state: bytes = b"") -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        if state and path is None:
            connection.deserialize(state)
        application, stamp = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise _unusable(path, str(error)) from error
    if tables and application != _APPLICATION_ID:
        raise _unusable(path, "it is not a database of kaito-apiserver")
    if tables and stamp != _FORMAT:
        raise _unusable(path, f"its format is {stamp}, this release reads {_FORMAT}")
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "wal_autocheckpoint = 8000",
        "cache_size = -4096",
        f"application_id = {_APPLICATION_ID}",
        f"user_version = {_FORMAT}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(_SCHEMA)
    return connection


def _unusable(path: Path | None, why: str) -> KaitoError:
    return KaitoError(
        "StaleDataDirectory",
        f"The state in {path} cannot be used: {why}.",
        terminal=True,
        remedy="Choose another --data-dir, or delete this one if nothing in it is needed.",
    )
