"""Reads what documents say is wanted, strictly. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from kaito.contracts import (
    CONTRACT_VERSION,
    LONGEST_STRENGTH,
    STRENGTH,
    AdapterReason,
    AdapterSet,
    WantedAdapter,
)

MOST_ADAPTERS = 256
"""Adapters of one set. A Workspace has ten at most; who writes the file by hand may want more."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
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
    _check_strength(entry.get("strength"), f"{prefix}strength")
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


def newer(held: AdapterSet | None, other: AdapterSet | None) -> AdapterSet | None:
    """Return the set of the higher generation; of two equal ones the one that is held."""
    if held is None or other is None:
        return held or other
    return other if other["generation"] > held["generation"] else held


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
    if any(_UNPRINTABLE.search(text.strip()) for text in texts):
        what = "has a control character or half a surrogate pair."
        raise InvalidSetError(f"{prefix}{source}", what, "Give text that can be printed.")
    if source == "path" and not value.startswith("/"):
        raise InvalidSetError(f"{prefix}path", f"{value!r} is not absolute.", "Give the whole path of a folder.")


def _check_strength(strength: object, place: str) -> None:
    if strength is None:
        return
    how = 'Give a number from 0 to 1 as text, as "0.5".'
    if not isinstance(strength, str) or not re.fullmatch(STRENGTH, strength):
        raise InvalidSetError(place, f"is {strength!r:.100}.", how)
    if len(strength) > LONGEST_STRENGTH:
        raise InvalidSetError(place, f"has {len(strength)} characters.", f"{LONGEST_STRENGTH} are read. {how}")


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
