"""Handlers that let objects pass or refuse them, written against a kind's own model."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import orjson

from kaito.core.admission.review import AdmissionRequest, Handler, Verdict
from kaito.core.client.codec import decode
from kaito.core.errors import KaitoError, Status, api_error
from kaito.core.objects import Kind

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Warn = Callable[[str], None]
"""Tells whoever writes the object something; it is told in any case, also with a refusal."""


class Validator(Protocol[T_contra]):
    """Judges objects of one kind. To refuse one, raise: an ApiError is told as it is, any KaitoError as a 403."""

    async def validate_create(self, obj: T_contra, warn: Warn) -> None:
        """Judge a new object."""
        ...

    async def validate_update(self, old: T_contra, new: T_contra, warn: Warn) -> None:
        """Judge a change."""
        ...

    async def validate_delete(self, obj: T_contra, warn: Warn) -> None:
        """Judge a deletion."""
        ...


def validating(kind: Kind[T], validator: Validator[T]) -> Handler:
    """Return the handler that asks `validator`. A CONNECT passes; what does not fit the kind's model is a 400."""

    async def handle(request: AdmissionRequest) -> Verdict:
        warnings: list[str] = []
        try:
            await _ask(kind, validator, request, warnings.append)
        except KaitoError as error:
            return Verdict.refused(error, warnings)
        return Verdict(warnings=tuple(warnings))

    return handle


async def _ask(kind: Kind[T], validator: Validator[T], request: AdmissionRequest, warn: Warn) -> None:
    match request.operation:
        case "CREATE":
            await validator.validate_create(read(kind, request.object), warn)
        case "UPDATE":
            await validator.validate_update(read(kind, request.old_object), read(kind, request.object), warn)
        case "DELETE":
            await validator.validate_delete(read(kind, request.old_object), warn)
        case "CONNECT":
            pass


def read(kind: Kind[T], obj: dict[str, Any] | None) -> T:
    """Return an object of a request as its kind's model; raises InvalidError with code 400 where it does not fit."""
    try:
        return decode(kind, orjson.dumps(obj))
    except KaitoError as error:
        raise api_error(Status(400, "BadRequest", error.advice)) from error
