"""The garbage collector: deletes what has lost its owners, in the order that the deletion of the owner asks for.

An object is known here by its uid: the key of a reconcile is `Key("", uid)`. Owners and dependents are found through
core's caches of every collectable kind.
"""

from collections.abc import Iterable, Set
from typing import Any

from kaito.core import (
    DONE,
    Cache,
    CacheEntry,
    Client,
    ConflictError,
    Controller,
    Event,
    EventRecorder,
    Key,
    Kind,
    Manager,
    Metadata,
    NotFoundError,
    Object,
    OwnerReference,
    Result,
)
from kaito.core.kinds import CUSTOM_RESOURCE_DEFINITION
from kaito.core.logs import get_logger
from kaito.local.controllers.event_source import event_source
from kaito.local.controllers.garbage.decide import FOREGROUND, Decision, OwnerState, decide
from kaito.local.controllers.garbage.resources import collectable_kinds

_log = get_logger()

BY_UID = "uid"
DISCOVER = Key("", "discover")
"""The key under which the kinds are looked up anew."""
LISTING_SECONDS = 0.5
"""How long a decision is put off while a kind has not been listed: a dependent that is not known would be missed."""

Entry = CacheEntry[Any]


class GarbageReconciler:
    """Reconciles one object with its owners and dependents. Safe to run again at any time."""

    def __init__(self, cache: Cache, client: Client, events: EventRecorder) -> None:
        self._cache = cache
        self._client = client
        self._events = events
        self._kinds: dict[tuple[str, str], Kind[Object]] = {}
        self.controller: Controller | None = None

    async def reconcile(self, key: Key) -> Result:
        """Decide about one object, or look for new kinds. ApiError when a write is refused."""
        if key == DISCOVER:
            await self.follow_kinds()
            return DONE
        if not self._cache.has_synced(self._kinds.values()):
            return Result(requeue_after=LISTING_SECONDS)  # to wait here would keep a kind that has gone from being seen
        entry = self._by_uid(key.name)
        if entry is None:
            return DONE
        owners = [(owner, await self._state(entry, owner)) for owner in entry.metadata.owner_references]
        dependents = self._dependents(key.name)
        decision = decide(entry.metadata, owners, [one.metadata for one in dependents])
        try:
            await self._act(entry, dependents, decision)
        except NotFoundError:
            return DONE
        except ConflictError:
            return Result(requeue_after=1.0)  # it changed in between: decide again on the newer state
        return DONE

    async def follow_kinds(self) -> None:
        """Cache and index each collectable kind that is not followed yet; drop what the server serves no longer."""
        found = await collectable_kinds(self._client)
        served = {(kind.group, kind.kind): kind for kind in found.kinds}
        self._drop(served.keys(), found.unknown_groups)
        new = {identity: kind for identity, kind in served.items() if identity not in self._kinds}
        for kind in new.values():
            self._cache.add_index(kind, BY_UID, _uid)
        self._kinds |= new
        for kind in new.values():
            self._cache.subscribe(kind, self._changed)
        if new:
            self._reconsider(new.keys())
            _log.info("garbage collector follows", kinds=[kind.kind for kind in new.values()])

    def _drop(self, served: Set[tuple[str, str]], unknown_groups: frozenset[str]) -> None:
        for identity in self._kinds.keys() - served:
            if identity[0] not in unknown_groups:
                kind = self._kinds.pop(identity)
                self._cache.remove(kind)
                _log.info("garbage collector follows no longer", kind=kind.kind)

    def _reconsider(self, kinds: Set[tuple[str, str]]) -> None:
        """Decide again about what has owners of these kinds: until now nobody could tell whether they are there."""
        for kind in self._kinds.values():
            if self.controller is not None and self._cache.has_synced([kind]):
                for entry in self._cache.entries(kind):
                    if any((owner.group, owner.kind) in kinds for owner in entry.metadata.owner_references):
                        self.controller.enqueue(Key("", entry.metadata.uid))

    def _changed(self, event: Event) -> None:
        if self.controller is None:
            return
        for uid in affected(event, self._dependents):
            self.controller.enqueue(Key("", uid))

    def _by_uid(self, uid: str) -> Entry | None:
        for kind in self._kinds.values():
            for entry in self._cache.by_index(kind, BY_UID, uid):
                return entry
        return None

    def _dependents(self, uid: str) -> list[Entry]:
        return [entry for kind in self._kinds.values() for entry in self._cache.by_index(kind, "owner", uid)]

    async def _state(self, entry: Entry, owner: OwnerReference) -> OwnerState:
        """Return the state of an owner: from the cache when it is there, else from the server."""
        kind = self._kinds.get((owner.group, owner.kind))
        namespace = entry.metadata.namespace
        if kind is not None and kind.namespaced and not namespace:
            return "wrong scope"
        found = self._by_uid(owner.uid)
        if found is not None and (not found.metadata.namespace or found.metadata.namespace == namespace):
            metadata = found.metadata
            waiting = bool(metadata.deletion_timestamp) and FOREGROUND in metadata.finalizers
            return "waiting" if waiting else "present"
        if kind is None:
            return "present"  # of a kind that the server does not serve: nobody can tell
        try:
            live = await self._client.get(kind, Key(namespace if kind.namespaced else "", owner.name))
        except NotFoundError:
            return "absent"
        return "present" if live["metadata"]["uid"] == owner.uid else "absent"

    async def _act(self, entry: Entry, dependents: list[Entry], decision: Decision) -> None:
        metadata, kind = entry.metadata, entry.kind
        if decision.wrong_scope:
            names = ", ".join(f"{owner.kind} {owner.name}" for owner in decision.wrong_scope)
            message = f"cluster-scoped object names a namespaced owner ({names}), which is ignored"
            self._events.record(entry.reference(), "Warning", "OwnerRefInvalidNamespace", message)
        if decision.orphan_dependents:
            for dependent in dependents:
                await self._disown(dependent, metadata.uid)
        if decision.delete_dependents and self.controller is not None:
            for dependent in dependents:
                self.controller.enqueue(Key("", dependent.metadata.uid))
        if decision.remove_finalizer:
            kept = [name for name in metadata.finalizers if name != decision.remove_finalizer]
            await self._patch(entry, {"finalizers": kept})
        if decision.keep_owners is not None:
            await self._patch(entry, {"ownerReferences": written(decision.keep_owners)})
        if decision.delete:
            _log.info("collecting", kind=kind.kind, object=str(metadata.key), propagation=decision.delete)
            await self._client.delete(kind, metadata.key, uid=metadata.uid, propagation=decision.delete)

    async def _disown(self, dependent: Entry, uid: str) -> None:
        kept = tuple(owner for owner in dependent.metadata.owner_references if owner.uid != uid)
        try:
            await self._patch(dependent, {"ownerReferences": written(kept)})
        except NotFoundError:
            return

    async def _patch(self, entry: Entry, metadata: Object) -> None:
        body = {"metadata": {**metadata, "resourceVersion": entry.metadata.resource_version}}
        await self._client.patch(entry.kind, entry.metadata.key, body)


def affected(event: Event, dependents: Any) -> set[str]:
    """Return the uids whose decision an event may change: its own, its owners' and, when it goes, its dependents'."""
    metadata = event.entry.metadata
    uids: set[str] = set()
    if event.type == "DELETED":
        uids |= {entry.metadata.uid for entry in dependents(metadata.uid)}
        return uids | {owner.uid for owner in metadata.owner_references}
    if event.old is not None and not _relevant(event.old.metadata, metadata):
        return uids
    if metadata.owner_references or metadata.deletion_timestamp:
        uids.add(metadata.uid)
    if event.old is not None:
        uids |= {owner.uid for owner in (*event.old.metadata.owner_references, *metadata.owner_references)}
    return uids


def _relevant(old: Metadata, new: Metadata) -> bool:
    return (old.owner_references, old.deletion_timestamp, old.finalizers) != (
        new.owner_references,
        new.deletion_timestamp,
        new.finalizers,
    )


def written(owners: Iterable[OwnerReference]) -> list[Object]:
    """Return owner references as JSON."""
    return [
        {
            "apiVersion": owner.api_version,
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
            "controller": owner.controller,
            "blockOwnerDeletion": owner.block_owner_deletion,
        }
        for owner in owners
    ]


def _uid(entry: Entry) -> Iterable[str]:
    return (entry.metadata.uid,)


async def garbage_collector(manager: Manager) -> Controller:
    """Return the garbage collector; it has discovered what the server serves and follows new CRDs."""
    reconciler = GarbageReconciler(manager.cache, manager.client, event_source(manager, "garbage-collector-controller"))
    controller = Controller("garbage-collector", reconciler).watching(
        CUSTOM_RESOURCE_DEFINITION, to=lambda _: [DISCOVER]
    )
    reconciler.controller = controller
    await reconciler.follow_kinds()
    return controller
