"""Everything that the server serves, and what it counted."""

import asyncio
import hashlib
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

from bench.replay.collection import Collection, Versions, versions
from bench.replay.families import DERIVED, FAMILIES

PLAIN: Final = (
    ("v1", "Namespace", "namespaces"),
    ("v1", "Event", "events"),
    ("events.k8s.io/v1", "Event", "events"),
    ("coordination.k8s.io/v1", "Lease", "leases"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
)
"""Resources that controllers ask for besides their own; empty at the start."""
CLUSTER_SCOPED: Final = {"namespaces", "customresourcedefinitions"}


@dataclass
class Writer:
    """A stretch of writes by one writer, nobody else writing in between."""

    name: str
    first: float
    last: float
    number: int = 1


@dataclass
class World:
    """The collections by path, and counts of requests."""

    streaming: bool = True
    watch_leases: bool = True
    collections: dict[str, Collection] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    agents: dict[str, Counter[str]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    writers: list[Writer] = field(default_factory=list)
    versions: Versions = field(default_factory=versions)

    def __post_init__(self) -> None:
        for api_version, kind, plural in PLAIN:
            self.collection(api_version, kind, plural)
        for family in (make() for make in FAMILIES.values()):
            self.collection(family.api_version, family.kind, family.plural)

    def collection(self, api_version: str, kind: str, plural: str) -> Collection:
        """Return the collection of a resource, which is made if it is new."""
        path = f"/{'apis' if '/' in api_version else 'api'}/{api_version}/{plural}"
        if path not in self.collections:
            self.collections[path] = Collection(path, kind, api_version, plural, self.versions)
        return self.collections[path]

    def generate(self, family: str, number: int) -> None:
        """Make up so many objects of a family (a name in `FAMILIES`)."""
        made = FAMILIES[family]()
        suffix = DERIVED if family == "derived" else ""
        self.collections[made.path].generate(made, number, suffix)

    async def steady(self, collection: Collection, rate: float, seconds: float) -> None:
        """Change objects of a collection in turn, `rate` of them a second."""
        names = cycle(tuple(collection.items))
        begin, sent, total = time.monotonic(), 0, int(rate * seconds)
        while sent < total:
            due = min(total, int((time.monotonic() - begin) * rate) + 1)
            for _ in range(due - sent):
                collection.touch(next(names))
            sent = due
            await asyncio.sleep(max(0.001, 1 / rate))

    def storm(self, changes: int) -> None:
        """Change, delete and add so many objects of each collection that has any, unseen; then 410 to every watch."""
        for collection in self.collections.values():
            names = list(collection.items)
            if changes and len(names) >= 3 * changes and collection.plural != "leases":
                render = collection.items[names[0]].render
                for name in names[:changes]:
                    collection.touch(name, silent=True)
                for name in names[changes : 2 * changes]:
                    collection.remove(name, silent=True)
                for index in range(changes):
                    collection.put(f"late-{collection.version}-{index:06d}", render, silent=True)
        for collection in self.collections.values():
            collection.expire()

    def asked(self, agent: str, request: str) -> None:
        """Count a request, also by the user agent that made it."""
        self.requests[request] += 1
        self.agents.setdefault(agent, Counter())[request] += 1

    def wrote(self, writer: str) -> None:
        """Note a write by somebody who names himself."""
        now = time.time()
        if self.writers and self.writers[-1].name == writer:
            self.writers[-1].last = now
            self.writers[-1].number += 1
        else:
            self.writers.append(Writer(writer, now, now))

    def statistics(self) -> dict[str, Any]:
        """Return what was counted, and how the server itself fares."""
        return {
            "requests": dict(self.requests),
            "agents": {agent: dict(requests) for agent, requests in self.agents.items()},
            "refused": dict(self.refused),
            "cpu_seconds": time.process_time(),
            "now": time.time(),
            "writers": [vars(writer) for writer in self.writers],
            "collections": {
                path: {
                    "objects": len(collection.items),
                    "watches": len(collection.watchers),
                    "emitted": collection.emitted,
                    "state": state_digest((name, str(item.version)) for name, item in collection.items.items()),
                }
                for path, collection in self.collections.items()
                if collection.items or collection.watchers
            },
        }


def state_digest(states: Any) -> str:
    """Return a digest of pairs of name and version, in any order: two that agree have seen the same."""
    text = "\n".join(sorted(f"{name} {version}" for name, version in states))
    return hashlib.sha256(text.encode()).hexdigest()
