"""Server-side apply, and the bookkeeping of every other write.

Rules: structured-merge-diff v6 `merge/update.go` and apimachinery's `managedfields`. All versions of a kind share one
schema here, so paths need no conversion between versions.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from kaito.apiserver.fieldmanager.field_set import Fields, printed
from kaito.apiserver.fieldmanager.managers import (
    APPLY,
    UPDATE,
    Entry,
    ManagerKey,
    Managers,
    less,
    manager_key,
    read_managers,
    write_managers,
)
from kaito.apiserver.fieldmanager.typed import (
    difference,
    field_set,
    merged,
    named_parents,
    nodes,
    without,
)
from kaito.apiserver.schema import StructuralSchema, wire_form
from kaito.core.clock import timestamp
from kaito.core.errors import ConflictError, InvalidError, Status
from kaito.core.objects import Object

BEFORE_FIRST_APPLY = "before-first-apply"
_METADATA = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields")
NEVER_OWNED: Fields = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {("f:metadata", f"f:{name}") for name in (*_METADATA, "resourceVersion")}
)
"""Fields that are an object's identity or the server's business (apimachinery `stripmeta.go`)."""


def apply(
    live: Object | None,
    applied: Object,
    manager: str,
    force: bool,
    schema: StructuralSchema,
    now: datetime,
    subresource: str = "",
    *,
    ignored: Collection[str] = (),
) -> Object:
    """Return `live` after `manager` applied `applied`; `live` is None or empty for an object that is to be created.

    Fields that the manager applied before and leaves out now go, unless somebody else owns them too. When nothing
    changes, the result equals `live`, times included. Raises ConflictError when a field of another manager would change
    and `force` is not set (with it, the field changes hands), InvalidError when `applied` has managedFields.

    `ignored` names top-level fields that nobody comes to own by this write (`status`, where it is a subresource);
    through the status subresource nothing else is owned.
    """
    if applied.get("metadata", {}).get("managedFields"):
        raise InvalidError(Status(400, "BadRequest", "metadata.managedFields must be nil"))
    before = _unmanaged(live or {})
    wanted = _settable(applied, subresource, ignored)
    api_version = applied.get("apiVersion", "")
    key = manager_key(manager, APPLY, subresource, api_version)
    managers = _known_managers(live or {})
    if live and not managers:
        managers = _first_managers(_settable(before, subresource, ignored), schema, now, subresource)
    last = managers.get(key)
    mine = Entry(field_set(wanted, schema) - NEVER_OWNED, api_version, last.time if last else "")
    managers[key] = mine

    after = merged(before, applied, schema)
    if last is not None:
        after = _pruned(after, last.fields, managers, schema)
    changed, removed = difference(
        _settable(before, subresource, ignored), _settable(after, subresource, ignored), schema
    )
    conflicts = {other: found for other in managers if other != key and (found := managers[other].fields & changed)}
    if conflicts and not force:
        raise _conflict_error(conflicts)
    managers = less(managers, changed | removed, but=key)
    if changed or removed:
        managers[key] = Entry(mine.fields, api_version, timestamp(now))
    return _with_managers(after, managers)


def update(
    before: Object | None,
    after: Object,
    manager: str,
    schema: StructuralSchema,
    now: datetime,
    subresource: str = "",
    *,
    ignored: Collection[str] = (),
) -> Object:
    """Return `after`, written by anything but apply, with its managedFields.

    `before` is None where `after` is new; `ignored` names top-level fields that come to no owner.
    What changed is taken from its owners and given to `manager`. A writer may hand in managedFields of its own (kubectl
    does, to move what it once applied on the client's side), an empty list forgets them all; neither works through a
    subresource.
    """
    old, new = _unmanaged(before or _blank(schema)), _unmanaged(after)
    managers = _given_managers(before or {}, after, subresource, schema)
    if (before or {}).get("metadata", {}).get("resourceVersion") and not managers:
        return new  # nobody kept account of this object so far, or the writer wants no more of it
    changed, removed = difference(old, new, schema)
    taken = frozenset(path for path in changed - NEVER_OWNED if path[0][2:] not in ignored)
    api_version = after.get("apiVersion", "")
    key = manager_key(manager, UPDATE, subresource, api_version)
    managers = less(managers, changed | removed)
    if taken:
        had = managers[key].fields if key in managers else frozenset()
        managers[key] = Entry(had | taken, api_version, timestamp(now))
    return _with_managers(new, managers)


def _blank(schema: StructuralSchema) -> Object:
    """Return what is in every object of a kind, so that nobody comes to own it: the structs of a built-in one."""
    return wire_form({}, schema.reference) if schema.reference else {}


def _settable(config: Object, subresource: str, ignored: Collection[str]) -> Object:
    if subresource == "status":
        return {name: value for name, value in config.items() if name in {"apiVersion", "kind", "status"}}
    return {name: value for name, value in config.items() if name not in ignored}


def _pruned(after: Object, last: Fields, managers: Managers, schema: StructuralSchema) -> Object:
    owned = named_parents(frozenset().union(*(entry.fields for entry in managers.values())), schema)
    present = {path for path, _, _ in nodes(after, schema)}
    gone = (named_parents(last, schema) - owned - NEVER_OWNED) & present
    result = without(after, gone, schema) if gone else after
    return result if isinstance(result, dict) else {}


def _known_managers(obj: Object) -> Managers:
    try:
        return read_managers(obj.get("metadata", {}).get("managedFields"))
    except ValueError:
        return {}  # a garbled list is dropped, as Kubernetes does: ownership starts anew


def _first_managers(live: Object, schema: StructuralSchema, now: datetime, subresource: str) -> Managers:
    """Return the one manager that stands for whoever wrote an object of which no account was kept."""
    changed, _ = difference(_blank(schema), live, schema)
    fields, api_version = changed - NEVER_OWNED, live["apiVersion"]
    key = manager_key(BEFORE_FIRST_APPLY, UPDATE, subresource, api_version)
    return {key: Entry(fields, api_version, timestamp(now))} if fields else {}


def _given_managers(before: Object, after: Object, subresource: str, schema: StructuralSchema) -> Managers:
    given: Any = after.get("metadata", {}).get("managedFields")
    if subresource or given is None:
        return _known_managers(before)
    if given == [{}] or (given == [] and schema.reference):
        return {}  # in a custom resource no list and an empty one are the same
    return _known_managers(after) or _known_managers(before)


def _unmanaged(obj: Object) -> Object:
    if "managedFields" not in obj.get("metadata", {}):
        return obj
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def _with_managers(obj: Object, managers: Managers) -> Object:
    entries = write_managers(managers)
    if not entries:
        return obj
    return {**obj, "metadata": {**obj.get("metadata", {}), "managedFields": entries}}


def _conflict_error(conflicts: dict[ManagerKey, Fields]) -> ConflictError:
    found = sorted((str(key), printed(path)) for key, paths in conflicts.items() for path in paths)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": path} for owner, path in found
    ]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines = []
        for owner in sorted({owner for owner, _ in found}):
            lines += [f"conflicts with {owner}:", *(f"- {path}" for other, path in found if other == owner)]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return ConflictError(Status(409, "Conflict", message, {"causes": causes}))
