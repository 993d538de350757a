"""Finalizers: what holds a deleted object until our work for it is done."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kaito.core.errors import KaitoError
from kaito.core.objects import Object


def contains_finalizer(obj: Mapping[str, Any], name: str) -> bool:
    """Say whether `name` holds the object."""
    return name in (obj["metadata"].get("finalizers") or ())


def add_finalizer(obj: Object, name: str) -> bool:
    """Hold the object by `name`; say whether that is new."""
    if contains_finalizer(obj, name):
        return False
    obj["metadata"]["finalizers"] = [*(obj["metadata"].get("finalizers") or ()), name]
    return True


def remove_finalizer(obj: Object, name: str) -> bool:
    """Let the object go, as often as `name` holds it; say whether it did."""
    if not contains_finalizer(obj, name):
        return False
    obj["metadata"]["finalizers"] = [one for one in obj["metadata"]["finalizers"] if one != name]
    return True


@dataclass(frozen=True)
class Finalized:
    """What became of an object: which of its parts changed and are to be written, and what went wrong."""

    updated: bool = False
    status_updated: bool = False
    error: KaitoError | None = None
    """FinalizerFailed, with the words of all that failed. To be raised once the object has been written."""


Finalizer = Callable[[Object], Awaitable[Finalized | None]]
"""Does what is left to do for a deleted object, again and again until it succeeds. It may change the object."""


class Finalizers:
    """Finalizers under their names. What they hold is written by the caller, so that it is written once."""

    def __init__(self) -> None:
        self._finalizers: dict[str, Finalizer] = {}

    def register(self, name: str, finalizer: Finalizer) -> None:
        """Add a finalizer; those registered first run first. Raises KaitoError FinalizerRegistered."""
        if name in self._finalizers:
            raise KaitoError(
                "FinalizerRegistered",
                f"finalizer {name} is registered already",
                terminal=True,
                remedy="Give each finalizer a name of its own, such as `example.org/volumes`.",
            )
        self._finalizers[name] = finalizer

    async def finalize(self, obj: Object) -> Finalized:
        """Hold a living object by every name; of a deleted one run the finalizers that hold it.

        It is let go by those that succeed. One that fails does not keep the others from running.
        """
        if obj["metadata"].get("deletionTimestamp"):
            return await self._release(obj)
        new = [name for name in self._finalizers if add_finalizer(obj, name)]
        return Finalized(updated=bool(new))

    async def _release(self, obj: Object) -> Finalized:
        updated = status_updated = False
        failures: list[str] = []
        for name, finalizer in self._finalizers.items():
            if not contains_finalizer(obj, name):
                continue
            try:
                result = await finalizer(obj) or Finalized()
            except Exception as error:  # noqa: BLE001 - reported with those of the others
                failures.append(f"{name}: {error}")
                continue
            if result.error is not None:
                failures.append(f"{name}: {result.error}")
            else:
                remove_finalizer(obj, name)
            updated = updated or result.updated or result.error is None
            status_updated = status_updated or result.status_updated
        return Finalized(updated, status_updated, _failed(failures) if failures else None)


def _failed(failures: list[str]) -> KaitoError:
    return KaitoError(
        "FinalizerFailed",
        "; ".join(failures),
        remedy="The object stays until its finalizers succeed; they are tried again.",
    )
