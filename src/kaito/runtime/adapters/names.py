"""Under which names clients reach what is in the engine. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from kaito.runtime.adapters.decide import Tracked


@dataclass(frozen=True)
class Target:
    """Whom a name asks: an adapter, by the engine's number. `own` is its own name; `version` tells it from others."""

    number: int
    own: str
    version: str


Names = Mapping[str, Target | None]
"""Every name beside the base model's own, with whom it asks; None: the base model."""


def names(tracked: Mapping[str, Tracked], workspace: str, before: Names) -> dict[str, Target | None]:
    """Return every name with whom it asks: an adapter's own, `name@version`, its aliases, and the Workspace's.

    The Workspace's name asks its one adapter, or all of them added up. While the sum is on its way, or waits for more
    of them to come, it asks whom it asked `before`, in the version that is served now; it is nobody's when the sum
    cannot be served, for a part of the adapters would be a wrong answer. Where there is no adapter it asks the base
    model.
    """
    found: dict[str, Target | None] = {}
    alone: dict[str, Target] = {}
    for name, state in tracked.items():
        if state.served is None or state.wanted is None or (state.wanted.parts and state.phase == "Failed"):
            continue
        target = Target(state.served.number, name, state.served.prepared.version)
        found[name] = target
        found[f"{name}@{target.version}"] = target
        found |= dict.fromkeys(state.wanted.aliases, target)
        if not state.wanted.parts:
            alone[name] = target
    together = tracked.get(workspace)
    if not workspace or workspace in found:
        return found
    if (together is None or together.wanted is None) and len(alone) < 2:
        return found | {workspace: next(iter(alone.values()), None)}
    if workspace not in before or (together is not None and together.phase == "Failed"):
        return found
    asked = before[workspace]
    if asked is None or asked.own in alone:
        found[workspace] = asked and alone[asked.own]
    return found
