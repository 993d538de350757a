"""What is wanted: reads the set, and merges it with what the API and the directory ask for. Pure."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from kaito.contracts import CONTRACT_VERSION, AdapterReason, AdapterSet, WantedAdapter

Origin = Literal["set", "api", "directory", "workspace"]
"""Who asks for an adapter. `workspace`: nobody; it is all the others together."""

MOST_ADAPTERS = 256
"""Adapters of one set. A Workspace has ten at most; who writes the file by hand may want more."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_FOLDER_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]{0,252}")
_STRENGTH = re.compile(r"0(\.\d{1,6})?|1(\.0{1,6})?|\.\d{1,6}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SOURCES = ("image", "urls", "hub", "path")
_FIELDS = frozenset({*_SOURCES, "name", "imagePullSecrets", "digest", "strength", "aliases"})


class InvalidSetError(Exception):
    """A document that cannot be followed.

    `field` is where, such as `adapters[2].strength`; `adapter` whose fault it is, where it is one's, and `reason` why.
    """

    def __init__(self, field: str, message: str, remedy: str, *, reason: AdapterReason = "ConfigInvalid") -> None:
        super().__init__(f"{field} {message} {remedy}" if field else f"{message} {remedy}")
        self.field = field
        self.adapter = ""
        self.reason = reason

    def of(self, adapter: object) -> "InvalidSetError":
        """Return the error as one adapter's."""
        self.adapter = adapter if isinstance(adapter, str) else ""
        return self


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
        """Factor on its effect, as text in its shortest form."""
        return f"{float(self.spec.get('strength') or 1):g}"

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


def parse_set(content: bytes | str) -> AdapterSet:
    """Read an `AdapterSet`. Raises InvalidSetError."""
    document = _json_object(content)
    version = document.get("contractVersion", CONTRACT_VERSION)
    if version != CONTRACT_VERSION:
        raise InvalidSetError(
            "contractVersion", f"is {version!r}; this server reads {CONTRACT_VERSION}.", "Update the older of the two."
        )
    generation = document.get("generation")
    if not isinstance(generation, int) or isinstance(generation, bool) or not 0 <= generation < 2**63:
        raise InvalidSetError("generation", f"is {generation!r}.", "Give a whole number that grows with each change.")
    adapters = document.get("adapters")
    if not isinstance(adapters, list):
        raise InvalidSetError("adapters", "is missing or no list.", "Give a list; an empty one wants no adapter.")
    if len(adapters) > MOST_ADAPTERS:
        raise InvalidSetError("adapters", f"has {len(adapters)} entries.", f"Give {MOST_ADAPTERS} at most.")
    if unknown := set(document) - {"contractVersion", "generation", "adapters"}:
        raise InvalidSetError(min(unknown), "is not known.", "Remove it.")
    parsed = [_of_set(entry, f"adapters[{index}]") for index, entry in enumerate(adapters)]
    _check_distinct(parsed)
    return AdapterSet(contractVersion=CONTRACT_VERSION, generation=generation, adapters=parsed)


def _of_set(entry: Any, place: str) -> WantedAdapter:
    try:
        return check_wanted(entry, place)
    except InvalidSetError as error:
        raise error.of(entry.get("name") if isinstance(entry, dict) else "") from None


def parse_one(content: bytes | str, name: str) -> WantedAdapter:
    """Read one adapter that is put under `name`; its own `name` may be left out. Raises InvalidSetError."""
    document = _json_object(content)
    if document.setdefault("name", name) != name:
        raise InvalidSetError("name", f"is {document['name']!r}, and the path says {name!r}.", "Make them the same.")
    return check_wanted(document, "")


def check_wanted(entry: Any, place: str) -> WantedAdapter:
    """Check one adapter of a document; `place` is where it stands. Raises InvalidSetError."""
    prefix = f"{place}." if place else ""
    if not isinstance(entry, dict):
        raise InvalidSetError(place, "is no object.", "Give an object with a name and a source.")
    if unknown := set(entry) - _FIELDS:
        raise InvalidSetError(f"{prefix}{min(unknown)}", "is not known.", f"Known are {', '.join(sorted(_FIELDS))}.")
    _check_name(entry.get("name"), f"{prefix}name")
    given = [source for source in _SOURCES if entry.get(source)]
    if len(given) != 1:
        raise InvalidSetError(
            place or "name", f"has {len(given)} sources.", f"Give exactly one of {', '.join(_SOURCES)}."
        )
    _check_source(entry, given[0], prefix)
    strength = entry.get("strength")
    if strength is not None and not (isinstance(strength, str) and _STRENGTH.fullmatch(strength)):
        raise InvalidSetError(f"{prefix}strength", f"is {strength!r}.", 'Give a number from 0 to 1 as text, as "0.5".')
    digest = entry.get("digest")
    if digest is not None and not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        raise InvalidSetError(f"{prefix}digest", f"is {digest!r}.", "Give sha256: and 64 digits, as the status shows.")
    for field_name in ("aliases", "imagePullSecrets"):
        names = entry.get(field_name, [])
        if not isinstance(names, list) or len(names) > MOST_ADAPTERS:
            raise InvalidSetError(f"{prefix}{field_name}", "is no list of names.", "Give a list of names.")
        for index, name in enumerate(names):
            _check_name(name, f"{prefix}{field_name}[{index}]")
    return cast("WantedAdapter", entry)


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


def newer(held: AdapterSet | None, other: AdapterSet | None) -> AdapterSet | None:
    """Return the set of the higher generation; of two equal ones the one that is held."""
    if held is None or other is None:
        return held or other
    return other if other["generation"] > held["generation"] else held


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


def _check_distinct(adapters: Sequence[WantedAdapter]) -> None:
    seen: dict[str, str] = {}
    for index, adapter in enumerate(adapters):
        for place, name in (("name", adapter["name"]), *(("aliases", alias) for alias in adapter.get("aliases", []))):
            if name in seen:
                raise InvalidSetError(
                    f"adapters[{index}].{place}",
                    f"{name!r} is {seen[name]} already.",
                    "Give each name once.",
                    reason="NameTaken",
                ).of(adapter["name"])
            seen[name] = f"used by adapters[{index}]"


def _check_source(entry: Mapping[str, Any], source: str, prefix: str) -> None:
    value = entry[source]
    texts = value if source == "urls" else [value]
    if not isinstance(texts, list) or not all(isinstance(text, str) and 0 < len(text) <= 4096 for text in texts):
        kind = "a list of URLs" if source == "urls" else "text"
        raise InvalidSetError(f"{prefix}{source}", f"is not {kind}.", f"Give {kind}.")
    if source == "path" and not value.startswith("/"):
        raise InvalidSetError(f"{prefix}path", f"{value!r} is not absolute.", "Give the whole path of a folder.")


def _check_name(name: object, place: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidSetError(
            place, f"{name!r} is no name.", "Use lower-case letters, digits, - and . as Kubernetes' names have."
        )


def _json_object(content: bytes | str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidSetError("", f"It is no JSON: {error}.", "Send a JSON object.") from None
    if not isinstance(document, dict):
        raise InvalidSetError("", "It is no JSON object.", "Send a JSON object.")
    return document
