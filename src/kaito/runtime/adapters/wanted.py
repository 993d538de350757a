"""What is wanted, by all who ask for adapters together. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from kaito.contracts import AdapterReason, AdapterSet, WantedAdapter

Origin = Literal["set", "api", "directory", "workspace"]
"""Who asks for an adapter. `workspace`: nobody; it is all the others together."""

_FOLDER_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]{0,252}")


@dataclass(frozen=True)
class Part:
    """An adapter that is added up with others: its folder in the store, and the store's digest of that."""

    name: str
    folder: str
    stored: str


@dataclass(frozen=True)
class Wanted:
    """One adapter that is to be served.

    `spec` says where it comes from, in the contract's words. `mark` changes when the content of a folder does.
    `parts` is set on the Workspace's own entry alone: the adapters that it adds up.
    """

    name: str
    origin: Origin
    spec: Mapping[str, Any] = field(default_factory=dict)
    mark: str = ""
    note: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def strength(self) -> str:
        """Factor on its effect, as the shortest text that is the same number: two numbers never look alike."""
        number = float(self.spec.get("strength") or 1)
        return f"{Decimal(repr(number)):f}".removesuffix(".0")

    @property
    def digest(self) -> str:
        """The digest that its content must have; empty for any."""
        return str(self.spec.get("digest") or "")

    @property
    def aliases(self) -> tuple[str, ...]:
        """Its other names."""
        return tuple(self.spec.get("aliases") or ())

    @property
    def remote(self) -> bool:
        """Whether its files must be fetched."""
        return not self.parts and "path" not in self.spec

    def same_content(self, other: "Wanted") -> bool:
        """Say whether both ask for the same numbers: other names or another origin change nothing in the engine."""
        return self.content() == other.content()

    def content(self) -> tuple[object, ...]:
        """Return what decides which numbers are served."""
        named = {key: value for key, value in self.spec.items() if key not in {"name", "aliases"}}
        return (named, self.mark, self.parts)


@dataclass(frozen=True)
class Refused:
    """A wanted adapter that cannot be served under its name."""

    name: str
    reason: AdapterReason
    message: str


@dataclass(frozen=True)
class Merged:
    """What all origins want together, by name, and what of it cannot be."""

    wanted: Mapping[str, Wanted]
    refused: tuple[Refused, ...] = ()


def merge(
    adapter_set: AdapterSet | None,
    api: Iterable[WantedAdapter],
    directory: Iterable[Wanted],
    taken: Collection[str],
) -> Merged:
    """Merge the three origins: of two adapters of one name the set's is served, then the API's, then the directory's.

    `taken` are names that no adapter may have: the base model's and the Workspace's.
    """
    from_set = adapter_set["adapters"] if adapter_set else []
    asked = [Wanted(each["name"], "set", each) for each in from_set]
    asked += [Wanted(each["name"], "api", each) for each in api]
    asked += list(directory)
    wanted: dict[str, Wanted] = {}
    refused: list[Refused] = []
    names = dict.fromkeys(taken, "the model's or the Workspace's")
    for each in asked:
        if each.name in wanted and "path" in each.spec and each.spec["path"] == wanted[each.name].spec.get("path"):
            continue
        if each.name in wanted:
            note = f"Another adapter of this name ({_ORIGINS[each.origin]}) is passed over."
            wanted[each.name] = replace(wanted[each.name], note=note)
        elif taken_name := next((name for name in (each.name, *each.aliases) if name in names), None):
            refused.append(
                Refused(
                    each.name, "NameTaken", f"The name {taken_name} is {names[taken_name]} already. Choose another."
                )
            )
        elif not _FOLDER_NAME.fullmatch(each.name):
            refused.append(
                Refused(each.name, "ConfigInvalid", "Its folder's name cannot be asked for: use letters, digits, - . _")
            )
        else:
            wanted[each.name] = each
            names |= dict.fromkeys(each.aliases, f"that of the adapter {each.name}")
    return Merged(*_without_alias_clashes(wanted, refused))


_ORIGINS: Mapping[Origin, str] = {
    "set": "from the set",
    "api": "put by the API",
    "directory": "from the directory",
    "workspace": "the Workspace's own",
}


def _without_alias_clashes(
    wanted: dict[str, Wanted], refused: list[Refused]
) -> tuple[dict[str, Wanted], tuple[Refused, ...]]:
    """Refuse who has an alias that is another's name, whichever of the two was asked for first."""
    for name, each in list(wanted.items()):
        if clash := next((alias for alias in each.aliases if alias in wanted and alias != name), None):
            del wanted[name]
            message = f"Its alias {clash} is the name of another adapter already. Choose another."
            refused.append(Refused(name, "NameTaken", message))
    return wanted, tuple(refused)
