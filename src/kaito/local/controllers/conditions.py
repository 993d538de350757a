"""Status conditions as the built-in controllers keep them: the transition time moves only when the status does."""

from kaito.core import Object


def condition(status: Object, kind: str) -> Object | None:
    """Return the condition of type `kind`, or None."""
    return next((item for item in status.get("conditions") or () if item.get("type") == kind), None)


def with_condition(conditions: list[Object], new: Object) -> list[Object]:
    """Return `conditions` with `new` in the place of the one of its type.

    An equal status keeps the old `lastTransitionTime`; an equal status and reason keeps the old condition whole, so
    that nothing is written for a change of times alone.
    """
    result: list[Object] = []
    found = False
    for old in conditions:
        if old.get("type") != new["type"]:
            result.append(old)
            continue
        found = True
        if old.get("status") == new["status"] and old.get("reason") == new.get("reason"):
            result.append({**old, "message": new.get("message", "")})
            continue
        if old.get("status") == new["status"]:
            new = {**new, "lastTransitionTime": old.get("lastTransitionTime", new.get("lastTransitionTime"))}
        result.append(new)
    if not found:
        result.append(new)
    return result


def without_condition(conditions: list[Object], kind: str) -> list[Object]:
    """Return `conditions` without the one of type `kind`."""
    return [item for item in conditions if item.get("type") != kind]
