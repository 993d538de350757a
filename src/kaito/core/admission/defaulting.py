"""Handlers that fill in what an object leaves out, written against a kind's own model."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import orjson

from kaito.core.admission.review import AdmissionRequest, Handler, Verdict, patch_between
from kaito.core.admission.validating import read
from kaito.core.errors import KaitoError
from kaito.core.objects import Kind, Object

T = TypeVar("T")

Default = Callable[[T], Awaitable[T | None]]
"""Changes an object in place, or returns another one. To refuse it, raise a KaitoError."""


def defaulting(kind: Kind[T], default: Default[T], *, remove_unknown: bool = False) -> Handler:
    """Return the handler that patches what `default` changes. A DELETE passes untouched.

    Fields that the kind's model does not know stay as they are; `remove_unknown` takes them away.
    """

    async def handle(request: AdmissionRequest) -> Verdict:
        if request.operation == "DELETE" or request.object is None:
            return Verdict()
        try:
            obj = read(kind, request.object)
            known = as_json(obj)
            changed = await default(obj)
        except KaitoError as error:
            return Verdict.refused(error)
        after = as_json(obj if changed is None else changed)
        wanted = after if remove_unknown else merged(request.object, known, after)
        return Verdict(patch=patch_between(request.object, wanted))

    return handle


def as_json(obj: Any) -> Object:
    """Return a copy of an object as JSON; of a pydantic model what has been set."""
    if hasattr(obj, "model_dump"):
        dumped: Object = obj.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return dumped
    plain: Object = orjson.loads(orjson.dumps(msgspec.to_builtins(obj)))
    return plain


def merged(given: Any, known: Any, after: Any) -> Any:
    """Return what was `given` with the changes from `known`, as much of it as a model knows, to `after`."""
    if known == after:
        return given
    if isinstance(given, dict) and isinstance(known, dict) and isinstance(after, dict):
        kept = {name: value for name, value in given.items() if name in after or name not in known}
        changed = {name: value for name, value in after.items() if name not in known or known[name] != value}
        return kept | {name: merged(given.get(name), known.get(name), value) for name, value in changed.items()}
    lists = isinstance(given, list) and isinstance(known, list) and isinstance(after, list)
    if lists and len(given) == len(known) == len(after):
        return [merged(*entries) for entries in zip(given, known, after, strict=True)]
    return after
