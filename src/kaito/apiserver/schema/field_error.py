"""Field errors: what is wrong with which field, in the words of Kubernetes' `field.Error`."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kaito.core.errors import InvalidError, Status


class Cause(StrEnum):
    """`metav1.CauseType` of a field error."""

    REQUIRED = "FieldValueRequired"
    INVALID = "FieldValueInvalid"
    TYPE_INVALID = "FieldValueTypeInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    DUPLICATE = "FieldValueDuplicate"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    FORBIDDEN = "FieldValueForbidden"
    NOT_FOUND = "FieldValueNotFound"


_WORDS = {
    Cause.REQUIRED: "Required value",
    Cause.INVALID: "Invalid value",
    Cause.TYPE_INVALID: "Invalid value",
    Cause.NOT_SUPPORTED: "Unsupported value",
    Cause.DUPLICATE: "Duplicate value",
    Cause.TOO_LONG: "Too long",
    Cause.TOO_MANY: "Too many",
    Cause.FORBIDDEN: "Forbidden",
    Cause.NOT_FOUND: "Not found",
}
_WITHOUT_VALUE = {Cause.REQUIRED, Cause.FORBIDDEN, Cause.TOO_LONG}


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong. `field` is a path as Kubernetes writes it: `spec.ports[0].name`, `metadata.name`."""

    cause: Cause
    field: str
    value: Any = None
    detail: str = ""

    @property
    def body(self) -> str:
        """The error without its field: `Invalid value: "x": must be …`."""
        text = _WORDS[self.cause]
        if self.cause not in _WITHOUT_VALUE:
            text += f": {quoted(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def quoted(value: object) -> str:
    """Return a value as Go prints it in a field error: strings quoted, everything else as JSON."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def required(field: str, detail: str = "") -> FieldError:
    """Return the error of a field that must be given."""
    return FieldError(Cause.REQUIRED, field, None, detail)


def invalid(field: str, value: object, detail: str) -> FieldError:
    """Return the error of a field with a wrong value."""
    return FieldError(Cause.INVALID, field, value, detail)


def not_supported(field: str, value: object, supported: Iterable[object]) -> FieldError:
    """Return the error of a value that is none of a closed list."""
    words = (item if isinstance(item, str) else quoted(item) for item in supported)
    return FieldError(
        Cause.NOT_SUPPORTED, field, value, "supported values: " + ", ".join(quoted(word) for word in words)
    )


def too_long(field: str, limit: int) -> FieldError:
    """Return the error of a string above its maximum length."""
    return FieldError(Cause.TOO_LONG, field, None, f"may not be more than {limit} {'byte' if limit == 1 else 'bytes'}")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    """Return the error of a list or map above its maximum size."""
    return FieldError(Cause.TOO_MANY, field, actual, f"must have at most {limit} {'item' if limit == 1 else 'items'}")


def invalid_status(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> Status:
    """Return the 422 Status that answers a write of an invalid object, with one cause per field error."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    summary = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    qualified = f"{kind}.{group}" if group else kind
    causes = [{"reason": str(error.cause), "message": error.body, "field": error.field} for error in errors]
    details = {"name": name, "group": group, "kind": kind, "causes": causes}
    given = {field: value for field, value in details.items() if value}
    return Status(422, "Invalid", f'{qualified} "{name}" is invalid: {summary}', given)


def invalid_error(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> InvalidError:
    """Return the exception that carries `invalid_status`."""
    return InvalidError(invalid_status(group, kind, name, errors))
