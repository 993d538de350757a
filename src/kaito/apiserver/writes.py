"""The writing verbs: create, update, patch and apply. Deleting is in `deletion.py`.

Every verb runs from its first read to its last write without an `await`, so that no other write comes between.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass

from kaito.apiserver import admission, custom, fieldmanager, metadata, patch, request, status
from kaito.apiserver.admission import Write
from kaito.apiserver.kinds import event, service
from kaito.apiserver.kinds.addresses import ServiceAddresses
from kaito.apiserver.registry import Registry
from kaito.apiserver.resources import Resource
from kaito.apiserver.schema import StructuralSchema, empty_object, invalid, invalid_error
from kaito.apiserver.store import Store
from kaito.apiserver.type_meta import settle_patched
from kaito.apiserver.versions import served_form, stored_form
from kaito.core.clock import timestamp
from kaito.core.objects import Key, Object, key_of

CRD_STORAGE = "apiextensions.k8s.io/customresourcedefinitions"
CRD_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


@dataclass(frozen=True)
class Outcome:
    """What a verb answers: an object or `Status`, its HTTP code, and warnings for the user."""

    obj: Object
    code: int = 200
    warnings: tuple[str, ...] = ()


class Writer:
    """Creates and changes objects. `on_removed` is called after an object has gone or has begun to go."""

    def __init__(self, store: Store, registry: Registry, addresses: ServiceAddresses, chance: random.Random) -> None:
        self.store = store
        self.registry = registry
        self.addresses = addresses
        self.on_removed: Callable[[], None] = lambda: None
        self._chance = chance

    def live(self, write: Write) -> Object:
        """Return the object a write is aimed at, in the version of the request; 404 when there is none."""
        stored = self.store.read(write.resource.storage_key, write.target.key)
        if stored is None:
            raise status.not_found(write.resource.group, write.resource.plural, write.target.name)
        return served_form(write.resource, stored)

    def create(self, write: Write, body: Object) -> Outcome:
        """Create an object from a request body."""
        obj = request.expect_object(body, write.resource)
        if obj["metadata"].get("resourceVersion"):
            raise status.version_of_a_new_object()
        metadata.address(obj, write.resource, write.target)
        return self._insert(write, obj, manage=True)

    def _insert(self, write: Write, obj: Object, *, manage: bool) -> Outcome:
        resource, rules = write.resource, admission.rules_of(write.resource)
        obj = incoming(resource, obj)
        schema = self.registry.schema(resource)
        obj, seen = admission.mutate(write, obj, None, schema)
        chance = write.gate.chance if write.gate is not None else self._chance
        metadata.begin(obj, timestamp(write.now), chance, lambda name: self._is_taken(write, name))
        if not obj["metadata"].get("name") and not resource.custom:  # those are told all that is wrong at once
            admission.refuse(resource, obj, metadata.validate(obj, resource))
        self._require_namespace(write, obj)
        obj, warnings, lacking = admission.shape(write, obj, None, schema)
        if not rules.keeps_status:
            _without_status(resource, obj)
        written = copy.deepcopy(obj)
        rules.admit(obj)
        rules.begin(obj)
        if rules.generational:
            obj["metadata"]["generation"] = 1
        errors = [*metadata.validate(obj, resource), *rules.validate(obj)]
        admission.refuse(resource, obj, admission.with_lacking(errors, lacking))
        admission.consent(write, obj, None)
        self._require_free_name(write, key_of(obj))
        self._begin_special(write, obj)
        if manage:
            written["metadata"].pop("managedFields", None)
            written = fieldmanager.update(None, written, write.manager, schema, write.now, ignored=_ignored(write))
            _copy_owners(written, obj)
        if not write.options.dry_run:
            self.save(resource, obj)
        warnings += rules.warn(obj, {})
        return Outcome(outgoing(resource, obj), 201, self._warned(resource, [*seen, *warnings]))

    def _require_namespace(self, write: Write, obj: Object) -> None:
        resource = write.resource
        if not resource.namespaced:
            return
        name = obj["metadata"]["namespace"]
        namespace = self.store.read("namespaces", Key("", name))
        if namespace is None:
            raise status.not_found("", "namespaces", name)
        if namespace["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {name} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {name} is being terminated",
                "field": "metadata.namespace",
            }
            raise status.forbidden(resource.group, resource.plural, obj["metadata"].get("name", ""), why, [cause])

    def _require_free_name(self, write: Write, key: Key) -> None:
        resource = write.resource
        if key.name and self.store.get(resource.storage_key, key) is not None:
            raise status.already_exists(resource.group, resource.plural, key.name)

    def _is_taken(self, write: Write, name: str) -> bool:
        return self.store.get(write.resource.storage_key, Key(write.target.namespace, name)) is not None

    def _is_free(self, write: Write) -> bool:
        return self.store.get(write.resource.storage_key, write.target.key) is None

    def _begin_special(self, write: Write, obj: Object) -> None:
        if write.resource.storage_key == "services":
            errors = service.assign_address(obj, self.addresses, dry_run=write.options.dry_run)
            admission.refuse(write.resource, obj, errors)
        elif write.resource.storage_key == CRD_STORAGE:
            obj["metadata"]["finalizers"] = [*(obj["metadata"].get("finalizers") or ()), CRD_CLEANUP]
            self._establish(write, obj)

    def _establish(self, write: Write, crd: Object) -> None:
        admission.refuse(write.resource, crd, custom.validate_definition(crd))
        custom.establish(crd, self.registry.others(crd["metadata"]["name"]), timestamp(write.now))

    def update(self, write: Write, body: Object) -> Outcome:
        """Replace an object, or its status, by a request body."""
        resource = write.resource
        new = request.expect_object(body, resource)
        metadata.address(new, resource, write.target)
        if admission.rules_of(resource).created_by_update and not write.target.subresource and self._is_free(write):
            return self._insert(write, new, manage=True)
        old = self.live(write)
        _require_version(write, new)
        admission.check_versions(write, new, old)
        return self.replace(write, new, old, manage=True)

    def replace(self, write: Write, new: Object, old: Object, *, manage: bool) -> Outcome:
        """Put `new` in the place of the live object `old`; with `manage`, what changed becomes the writer's own."""
        resource = write.resource
        admission.check_versions(write, new, old, patching=True)
        old, new = incoming(resource, old), incoming(resource, new)
        schema = self.registry.schema(resource)
        new, seen = admission.mutate(write, new, old, schema)
        new = admission.confine(write, new, old)
        if new == old:
            told = [] if write.status_only else admission.rules_of(resource).warn(new, old)
            return Outcome(outgoing(resource, old), 200, self._warned(resource, [*seen, *told]))
        given_owners = new["metadata"].get("managedFields")
        new, warnings, lacking = admission.shape(write, new, old, schema)
        if given_owners == []:
            new["metadata"]["managedFields"] = []  # an empty list is the wish to forget them
        written = copy.deepcopy(new)
        rules = admission.rules_of(resource)
        if write.status_only:
            rules.finish_status(new, old)
        else:
            rules.admit(new)
        admission.finish_update(write, new, old, lacking)
        if resource.storage_key == CRD_STORAGE and not write.status_only:
            self._establish(write, new)
        if manage:
            _record(write, written, old, schema)
            _copy_owners(written, new)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        admission.consent(write, new, old)
        if not write.status_only:
            warnings += rules.warn(new, old)
        if admission.same(new, old):
            new = old
        elif not write.options.dry_run:
            self.save(resource, new)
        return Outcome(outgoing(resource, new), 200, self._warned(resource, [*seen, *warnings]))

    def patch(self, write: Write, content_type: str, body: bytes) -> Outcome:
        """Change an object by a JSON patch, a merge patch, a strategic merge patch, or server-side apply."""
        media = request.media_type(content_type)
        change = request.decode(body, media)
        if media == request.APPLY_PATCH:
            return self.apply(write, change)
        old = self.live(write)
        new = self._patched(write, self.live(write), media, change)
        try:
            request.expect_object(settle_patched(new, write.resource), write.resource)
            metadata.require_name(new, write.target)
            metadata.address(new, write.resource, write.target)
            _require_version(write, new)
            return self.replace(write, new, old, manage=True)
        except request.WrongTypeError as error:  # the object came to be so by the patch
            raise invalid_error("", "", "", [invalid("patch", None, error.message)]) from error

    def _patched(self, write: Write, obj: Object, media: str, change: object) -> Object:
        if media == request.JSON_PATCH:
            if not isinstance(change, list):
                raise status.bad_request("a JSON patch must be a list of operations")
            return patch.json_patch(obj, change)
        if not isinstance(change, dict):
            raise status.bad_request("the patch must be an object")
        if media == request.MERGE_PATCH:
            return patch.json_merge_patch(obj, change)
        return patch.strategic_merge_patch(obj, change, self.registry.schema(write.resource))

    def apply(self, write: Write, body: Object) -> Outcome:
        """Server-side apply: merge the fields a manager wants into the object, which is created if it is not there."""
        resource = write.resource
        applied = request.expect_applied(body, resource)
        stored = self.store.read(resource.storage_key, write.target.key)
        if stored is None:
            metadata.require_name(applied, write.target)
        if applied["metadata"].get("managedFields"):
            raise status.bad_request("metadata.managedFields must be nil")
        fieldmanager.require_types(applied, self.registry.schema(resource))
        metadata.address(applied, resource, write.target)
        live = None if stored is None else served_form(resource, stored)
        if live is None:
            self._check_creatable(write, applied)
        else:
            admission.check_versions(write, applied, live, patching=True)
        merged = fieldmanager.apply(
            live,
            applied,
            write.manager,
            write.options.flag("force"),
            self.registry.schema(resource),
            write.now,
            write.target.subresource,
            ignored=_ignored(write),
        )
        merged = admission.settle_nulls(write, merged, self.registry.schema(resource))
        if live is None:
            return self._insert(write, merged, manage=False)
        if merged == live:
            return Outcome(outgoing(resource, live), 200, self._warned(resource, []))
        return self.replace(write, merged, live, manage=False)

    def _check_creatable(self, write: Write, applied: Object) -> None:
        resource, name = write.resource, write.target.name
        if write.target.subresource:
            raise status.not_found(resource.group, resource.plural, name)
        if uid := applied["metadata"].get("uid"):
            words = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise status.conflict(resource.group, resource.plural, name, words)

    def _warned(self, resource: Resource, warnings: list[str]) -> tuple[str, ...]:
        deprecation = resource.custom.deprecation_warning if resource.custom else ""
        return (*([deprecation] if deprecation else []), *warnings)

    def save(self, resource: Resource, obj: Object) -> None:
        """Store an object, or remove it when this write was the last that a deletion waited for."""
        key = key_of(obj)
        meta = obj["metadata"]
        if (
            meta.get("deletionTimestamp")
            and not meta.get("finalizers")
            and not meta.get("deletionGracePeriodSeconds")
            and resource.storage_key != "namespaces"
        ):
            self.remove(resource, key, obj)
            return
        stored = stored_form(resource, obj)
        self.store.put(resource.storage_key, key, stored)
        if resource.storage_key == CRD_STORAGE:
            self.registry.serve(stored)

    def remove(self, resource: Resource, key: Key, obj: Object) -> None:
        """Remove an object for good, and what the server itself keeps for it."""
        last = {**obj, "metadata": dict(obj["metadata"])}  # who removed it is told the version before
        self.store.remove(resource.storage_key, key, stored_form(resource, last))
        if resource.storage_key == "services":
            service.release_address(obj, self.addresses)
        elif resource.storage_key == CRD_STORAGE:
            self.registry.withdraw(key.name)
            self.store.wake_watchers()
        self.on_removed()


def _require_version(write: Write, new: Object) -> None:
    """Raise the 422 of a custom resource that does not say which version it replaces."""
    resource = write.resource
    if resource.custom and not new["metadata"].get("resourceVersion"):
        error = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid_error(resource.group, resource.plural, write.target.name, [error])


def _without_status(resource: Resource, obj: Object) -> None:
    """Empty the status of a new object where it is written through its subresource alone."""
    if resource.custom:
        if resource.has_status:
            obj.pop("status", None)
    elif "status" in obj:
        obj["status"] = empty_object(obj["apiVersion"], resource.kind).get("status", {})


def _ignored(write: Write) -> tuple[str, ...]:
    """Return the top-level fields that nobody comes to own by this write."""
    return ("status",) if write.resource.has_status and not write.target.subresource else ()


def _copy_owners(source: Object, target: Object) -> None:
    target["metadata"].pop("managedFields", None)
    if owners := source["metadata"].get("managedFields"):
        target["metadata"]["managedFields"] = owners


def _record(write: Write, new: Object, old: Object, schema: StructuralSchema) -> None:
    """Write into `new` who owns its fields now; of a status write nothing but the status can have changed hands."""
    subresource = write.target.subresource
    names = ("apiVersion", "kind", "metadata", "status") if write.status_only else tuple({**old, **new})
    before, after = ({name: obj[name] for name in names if name in obj} for obj in (old, new))
    recorded = fieldmanager.update(before, after, write.manager, schema, write.now, subresource)
    new["metadata"] = recorded["metadata"]


def incoming(resource: Resource, obj: Object) -> Object:
    """Return the form in which an object is checked: that of the request, but events always in their core form."""
    return event.to_core(obj) if resource.storage_key == "events" and resource.group else obj


def outgoing(resource: Resource, obj: Object) -> Object:
    """Return the form in which an object is answered."""
    return event.from_core(obj) if resource.storage_key == "events" and resource.group else obj
