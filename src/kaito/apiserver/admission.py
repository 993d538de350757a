"""What happens to an object between the request and the store: pruning, defaults, validation, what a write may touch.

Pure: objects go in and come out, errors are raised as the API's refusals.
"""

import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from kaito.apiserver import metadata, status
from kaito.apiserver.kinds.rules import CUSTOM_RULES, KIND_RULES, NO_RULES, KindRules
from kaito.apiserver.request import Options, Target, WrongTypeError, read_metadata
from kaito.apiserver.resources import Resource
from kaito.apiserver.schema import (
    Cause,
    FieldError,
    StructuralSchema,
    apply_defaults,
    invalid,
    invalid_error,
    with_zero_values,
)
from kaito.apiserver.versions import stored_version
from kaito.apiserver.webhooks import Gate, Operation
from kaito.core.objects import Object


@dataclass(frozen=True)
class Write:
    """One write request: what it is aimed at, its options, who sends it, and when; `gate` None asks no webhook."""

    resource: Resource
    target: Target
    options: Options
    manager: str
    now: datetime
    gate: Gate | None = None

    @property
    def status_only(self) -> bool:
        """Whether the status subresource is written."""
        return self.target.subresource == "status"


def rules_of(resource: Resource) -> KindRules:
    """Return the rules of a kind."""
    return CUSTOM_RULES if resource.custom else KIND_RULES.get(resource.storage_key, NO_RULES)


def mutate(write: Write, obj: Object, old: Object | None, schema: StructuralSchema) -> tuple[Object, list[str]]:
    """Return the object as mutating webhooks leave it, and warnings about what it had before they saw it."""
    operation: Operation = "UPDATE" if old is not None else "CREATE"
    if write.gate is None or not write.gate.may_mutate(write, operation):
        return obj, []
    shown = copy.deepcopy(obj)
    warnings = _unknown_fields(write, schema.prune(shown))
    shown = schema.default(shown)
    if not write.resource.custom:
        shown = apply_defaults(stored_version(write.resource), write.resource.kind, shown)
    changed = write.gate.mutate(write, operation, shown, old)
    return (obj, []) if changed is shown else (changed, warnings)


def consent(write: Write, obj: Object, old: Object | None) -> None:
    """Let validating webhooks see what is about to be stored."""
    if write.gate is not None:
        write.gate.validate(write, "UPDATE" if old is not None else "CREATE", obj, old)


class Shaped(NamedTuple):
    """An object as its schema wants it, the warnings for its writer, and what a built-in one lacks."""

    obj: Object
    warnings: list[str]
    errors: list[FieldError]


def shape(write: Write, obj: Object, old: Object | None, schema: StructuralSchema) -> Shaped:
    """Prune, default and validate an object by its schema. Raises the 400s, and the 422s of a custom resource."""
    resource = write.resource
    metadata.drop_empty(obj)
    if write.status_only and not resource.custom:
        return _shape_status(write, obj, schema)
    if not resource.custom:
        obj = with_zero_values(obj, schema)
    warnings = _unknown_fields(write, schema.prune(obj))
    obj = schema.default(obj)
    new = resource.custom and old is None
    errors = schema.validate(obj, old, metadata.validate(obj, resource) if new else ())
    if resource.custom:
        refuse(resource, obj, _worded(write, [error for error in errors if not _repeats_in_metadata(error)]))
        return Shaped(obj, warnings, [])
    _refuse_wrong_types(resource, errors)
    obj = apply_defaults(stored_version(resource), resource.kind, obj)
    return Shaped(obj, warnings, [error for error in errors if not _tolerated(error)])


def _shape_status(write: Write, obj: Object, schema: StructuralSchema) -> Shaped:
    """Shape the status alone: the rest is the live object, and no rule of a built-in kind looks at both."""
    resource = write.resource
    part: Object = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "status": obj.get("status") or {}}
    part = with_zero_values(part, schema)
    warnings = _unknown_fields(write, schema.prune(part))
    part = schema.default(part)
    errors = [error for error in schema.validate(part) if error.field.startswith("status")]
    _refuse_wrong_types(resource, errors)
    refuse(resource, obj, [error for error in errors if not _tolerated(error)])
    shaped = apply_defaults(stored_version(resource), resource.kind, part)
    return Shaped({**obj, "status": shaped.get("status") or {}}, warnings, [])


def _refuse_wrong_types(resource: Resource, errors: list[FieldError]) -> None:
    for error in errors:
        if error.cause is Cause.INVALID and " must be of type byte:" in error.detail:  # a secret: not to be repeated
            raise status.bad_request(f"{_cannot_handle(resource)}: {error.field}: illegal base64 data")
        if error.cause is Cause.TYPE_INVALID:
            raise WrongTypeError(f"{_cannot_handle(resource)}: {error}")


def _repeats_in_metadata(error: FieldError) -> bool:
    """Say whether a list of the metadata holds something twice, which no schema of a custom resource forbids."""
    return error.cause is Cause.DUPLICATE and error.field.startswith("metadata.")


def _tolerated(error: FieldError) -> bool:
    """Say whether a real server lets this pass in a built-in object.

    Go fills a status in with zeros, so nothing is missing there; names that repeat (of variables, say) are left to each
    kind's own rules.
    """
    return error.cause is Cause.DUPLICATE or (error.cause is Cause.REQUIRED and error.field.startswith("status"))


def _cannot_handle(resource: Resource) -> str:
    return f'{resource.kind} in version "{resource.gv.version}" cannot be handled as a {resource.kind}'


def _unknown_fields(write: Write, unknown: list[str]) -> list[str]:
    level = write.options.field_validation
    words = [f'unknown field "{path}"' for path in unknown]
    if words and level == "Strict":
        raise status.bad_request(f"{_cannot_handle(write.resource)}: strict decoding error: {', '.join(words)}")
    return words if level == "Warn" else []


def refuse(resource: Resource, obj: Object, errors: list[FieldError]) -> None:
    """Raise the 422 for field errors, if there are any."""
    if errors:
        name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
        raise invalid_error(resource.group, resource.kind, name, errors)


def settle_nulls(write: Write, obj: Object, schema: StructuralSchema) -> Object:
    """Return what an apply made of a custom resource, with its nulls settled.

    The metadata loses them and a field with a default takes that; raises the 422 of one where the schema wants a value.
    Other writes lose their nulls when they are read; what apply makes is not read again, on a real server either.
    """
    if not write.resource.custom or not _holds_null(obj):
        return obj
    obj = schema.default_nulls({**obj, "metadata": read_metadata(obj)})
    errors = schema.validate(obj)
    if any(_is_null(error) for error in errors):
        kept = [error for error in errors if _is_null(error) or error.field == "<nil>"]
        refuse(write.resource, obj, _worded(write, kept))
    return obj


def _worded(write: Write, errors: list[FieldError]) -> list[FieldError]:
    """Return the errors of a custom resource as they are told: a write of the status looks at the status alone."""
    return [_from_the_status_on(error) for error in errors] if write.status_only else errors


def _from_the_status_on(error: FieldError) -> FieldError:
    if not error.detail.startswith(f"{error.field} in body"):
        return error
    within = error.field.removeprefix("status").removeprefix(".")
    return replace(error, detail=within + error.detail.removeprefix(error.field))


def _is_null(error: FieldError) -> bool:
    return error.cause is Cause.TYPE_INVALID and error.value == "null"


def _holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_null(item) for item in value.values())
    return any(_holds_null(item) for item in value) if isinstance(value, list) else value is None


def confine(write: Write, new: Object, old: Object) -> Object:
    """Return the object that the write may make: through status only the status changes, else everything but it."""
    resource = write.resource
    if write.status_only:
        result = {**old, "metadata": dict(old["metadata"])}
        _copy_key(new, result, "status")
        _copy_key(new["metadata"], result["metadata"], "managedFields")
        for name in rules_of(resource).status_metadata:
            _copy_key(new["metadata"], result["metadata"], name)
        return result
    if resource.has_status:
        _copy_key(old, new, "status")
    return new


def _copy_key(source: Object, target: Object, name: str) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


def check_versions(write: Write, new: Object, old: Object, *, patching: bool = False) -> None:
    """Raise the 409 of a stale resourceVersion or of another object's uid; in a patch that uid is a 422."""
    resource, given, live = write.resource, new["metadata"], old["metadata"]
    if given.get("uid") and given["uid"] != live["uid"]:
        if patching:
            error = invalid("metadata.uid", given["uid"], "field is immutable")
            refuse(resource, new, [error] if resource.custom else [error, error])  # built-in kinds look twice
        words = f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {live['uid']}"
        raise status.conflict(resource.group, resource.plural, live["name"], words)
    version = given.get("resourceVersion")
    if version and version != live["resourceVersion"]:
        raise status.modified(resource.group, resource.plural, live["name"])


def finish_update(write: Write, new: Object, old: Object, lacking: list[FieldError]) -> None:
    """Validate an update as a whole and count it in `metadata.generation`. Raises the 422."""
    resource, rules = write.resource, rules_of(write.resource)
    errors = metadata.carry_over(new, old)
    if not write.status_only:
        errors += rules.validate_update(new, old) + rules.validate(new)
    refuse(resource, new, with_lacking(errors + metadata.validate(new, resource), lacking))
    generation = old["metadata"].get("generation")
    if generation is not None:
        counts = rules.generational and not write.status_only
        new["metadata"]["generation"] = generation + (counts and _counted(resource, new) != _counted(resource, old))


def with_lacking(errors: list[FieldError], lacking: list[FieldError]) -> list[FieldError]:
    """Return `errors` and what is lacking by schema as far as they do not name it."""
    named = {error.field for error in errors}
    return [*errors, *(error for error in lacking if error.field not in named)]


def _counted(resource: Resource, obj: Object) -> Any:
    if not resource.custom:
        counted = {name: value for name, value in obj.items() if name not in ("metadata", "status")}
        return (counted, obj["metadata"].get("annotations") or {}) if rules_of(resource).counts_annotations else counted
    ignored = ("metadata", "status", "apiVersion") if resource.has_status else ("metadata", "apiVersion")
    return {name: value for name, value in obj.items() if name not in ignored}


def same(new: Object, old: Object) -> bool:
    """Return whether a write changes nothing: times of field ownership and the version itself do not count."""
    return _comparable(new) == _comparable(old)


def _comparable(obj: Object) -> Object:
    meta = {name: value for name, value in obj["metadata"].items() if name not in ("resourceVersion", "managedFields")}
    owned = [
        {name: value for name, value in entry.items() if name != "time"}
        for entry in obj["metadata"].get("managedFields") or ()
    ]
    return {**obj, "metadata": {**meta, "managedFields": owned}}
