"""Owner references: who an object belongs to, and goes with.

The functions change the object that they are given. Owners are told apart by group, kind and name: another version of
the same kind is the same owner, and a new uid replaces the old one.
"""

from collections.abc import Mapping
from typing import Any

from kaito.core.errors import KaitoError
from kaito.core.objects import Object, owner_reference


class AlreadyOwnedError(KaitoError):
    """An object has another controller already; `owner` is the reference to it."""

    def __init__(self, obj: Mapping[str, Any], owner: Object) -> None:
        super().__init__(
            "AlreadyOwned",
            f"{_named(obj)} is controlled by {owner.get('kind')} {owner.get('name')} already",
            remedy="Choose another name, or delete the object.",
        )
        self.owner = owner


def set_controller_reference(owner: Mapping[str, Any], obj: Object, *, block_owner_deletion: bool = True) -> None:
    """Make `owner` the one controller of `obj`. Raises AlreadyOwnedError, KaitoError OwnerInvalid."""
    for reference in _references(obj):
        if reference.get("controller") and not _is_of(reference, owner):
            raise AlreadyOwnedError(obj, reference)
    _set(owner, obj, controller=True, block_owner_deletion=block_owner_deletion)


def set_owner_reference(owner: Mapping[str, Any], obj: Object, *, block_owner_deletion: bool = False) -> None:
    """Make `owner` one of the owners of `obj`, of which there can be many. Raises KaitoError OwnerInvalid."""
    _set(owner, obj, controller=False, block_owner_deletion=block_owner_deletion)


def remove_owner_reference(owner: Mapping[str, Any], obj: Object) -> None:
    """Let `obj` no longer belong to `owner`. Raises KaitoError OwnerMissing if it does not."""
    references = _references(obj)
    kept = [reference for reference in references if not _is_of(reference, owner)]
    if len(kept) == len(references):
        raise KaitoError(
            "OwnerMissing",
            f"{_named(obj)} does not belong to {_named(owner)}",
            terminal=True,
            remedy="Ask `has_owner_reference` first.",
        )
    obj["metadata"]["ownerReferences"] = kept


def has_owner_reference(owner: Mapping[str, Any], obj: Mapping[str, Any]) -> bool:
    """Say whether `obj` belongs to `owner`."""
    return any(_is_of(reference, owner) for reference in _references(obj))


def _set(owner: Mapping[str, Any], obj: Object, *, controller: bool, block_owner_deletion: bool) -> None:
    _check_scope(owner, obj)
    reference = owner_reference(owner, controller=controller, block_owner_deletion=block_owner_deletion)
    references = [reference if _is_of(old, owner) else old for old in _references(obj)]
    if reference not in references:
        references.append(reference)
    obj["metadata"]["ownerReferences"] = references


def _check_scope(owner: Mapping[str, Any], obj: Mapping[str, Any]) -> None:
    """Refuse what the garbage collector would take for an owner that is gone."""
    theirs, ours = (one["metadata"].get("namespace", "") for one in (owner, obj))
    if not theirs or theirs == ours:
        return
    what = f"is in namespace {ours}" if ours else "is in no namespace"
    raise KaitoError(
        "OwnerInvalid",
        f"{_named(obj)} {what} and cannot belong to {_named(owner)}",
        terminal=True,
        remedy="An owner is cluster-scoped, or in the namespace of what it owns.",
    )


def _references(obj: Mapping[str, Any]) -> list[Object]:
    return list(obj["metadata"].get("ownerReferences") or ())


def _is_of(reference: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    same_name = (reference.get("kind"), reference.get("name")) == (owner["kind"], owner["metadata"]["name"])
    return same_name and _group(reference.get("apiVersion", "")) == _group(owner["apiVersion"])


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _named(obj: Mapping[str, Any]) -> str:
    metadata = obj["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{obj.get('kind', 'object')} {where}{metadata.get('name', '')}"
