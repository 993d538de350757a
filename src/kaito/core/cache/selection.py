"""Which objects of a kind are cached, and in what form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from kaito.core.cache.entry import Mode, Transform
from kaito.core.cache.store import ALL_NAMESPACES
from kaito.core.errors import KaitoError
from kaito.core.objects import Key, Kind, PartialObjectMetadata
from kaito.core.selectors import parse_field_selector, parse_selector

T = TypeVar("T")

RESYNC_SECONDS: Final = 10 * 60 * 60.0
"""How often handlers are shown everything again; from controller-runtime."""
_NAMESPACE_FIELD: Final = "metadata.namespace"
_COMMA: Final = re.compile(r"(?<!\\),")
"""Between the requirements of a field selector; a value's own commas are escaped."""


@dataclass(frozen=True)
class NamespaceSelection:
    """What is cached of one namespace: `labels` and `fields` are selectors in query form."""

    labels: str | None = None
    fields: str | None = None
    transform: Transform | None = None


@dataclass(frozen=True)
class Selection:
    """What is cached of a kind. None leaves a choice to the cache's defaults.

    Those are everything, in mode `raw`, or `metadata` for a kind that is read as PartialObjectMetadata.
    `namespace` limits the cache to one namespace, `namespaces` to several, each with what it wants different; the entry
    ALL_NAMESPACES among them stands for all that are not named. The most specific choice wins: that for a namespace
    here, that for the kind, that for the namespace in the cache's defaults, the defaults. `resync` is how often, in
    seconds, handlers are shown every object again, give or take a tenth: ten hours by default, 0 is never.
    """

    namespace: str | None = None
    labels: str | None = None
    fields: str | None = None
    namespaces: Mapping[str, NamespaceSelection] = field(default_factory=dict, hash=False)
    mode: Mode | None = None
    transform: Transform | None = None
    resync: float | None = None

    def over(self, defaults: "Selection", kind: Kind[Any]) -> "Resolved":
        """Return what is cached of `kind` when `defaults` fill what is not chosen.

        Raises KaitoError InvalidSelector, ModelNotFrozen.
        """
        if kind.namespaced is False:
            return _anywhere(self).over(_anywhere(defaults), replace(kind, namespaced=None))
        named, by_default = _split(self), _split(defaults)
        wanted = named or by_default or {ALL_NAMESPACES: NamespaceSelection()}
        by_model: Mode | None = "metadata" if kind.model is PartialObjectMetadata else None
        mode: Mode = self.mode or by_model or defaults.mode or "raw"
        if mode == "decoded" and not _is_frozen(kind.model):
            raise KaitoError(
                "ModelNotFrozen",
                f"{kind} cannot be cached decoded: readers share the objects, and {kind.model.__name__} can change",
                terminal=True,
                remedy="Read it as a frozen pydantic model or msgspec struct, or choose another mode.",
            )
        scopes = tuple(_scope(name, (named.get(name), self, by_default.get(name), defaults), wanted) for name in wanted)
        return Resolved(scopes, mode, _first(self.resync, defaults.resync, otherwise=RESYNC_SECONDS))


@dataclass(frozen=True)
class Scope:
    """One list and watch: of a namespace, or of all (None), by selectors in query form."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""
    transform: Transform | None = None

    @property
    def partition(self) -> str:
        """The name of the store's partition for these objects."""
        return ALL_NAMESPACES if self.namespace is None else self.namespace

    def selects(self, key: Key, labels: Mapping[str, str] | None) -> bool:
        """Say whether an object is surely selected; without `labels` they are not asked about."""
        known = {"metadata.name": key.name, _NAMESPACE_FIELD: key.namespace}
        return all(
            one.path in known and (known[one.path] == one.value) is one.equal
            for one in parse_field_selector(self.fields)
        ) and (labels is None or parse_selector(self.labels).matches(labels))


@dataclass(frozen=True)
class Resolved:
    """A selection with nothing left open."""

    scopes: tuple[Scope, ...]
    mode: Mode
    resync: float

    def scope_of(self, namespace: str) -> Scope | None:
        """Return the scope that objects of a namespace are in."""
        partitions = {scope.partition: scope for scope in self.scopes}
        return partitions.get(namespace, partitions.get(ALL_NAMESPACES))


def _anywhere(selection: Selection) -> Selection:
    """Return the choices that a kind without namespaces has: a server refuses to be asked for a namespace of it."""
    parts = [part for part in _COMMA.split(selection.fields or "") if not part.strip().startswith(_NAMESPACE_FIELD)]
    fields = None if selection.fields is None else ",".join(parts)
    return replace(selection, namespace=None, namespaces={}, fields=fields)


def _split(selection: Selection) -> Mapping[str, NamespaceSelection]:
    """Return the namespaces that are chosen. One in the field selector is, so that its URL alone is asked."""
    if selection.namespaces:
        return selection.namespaces
    if selection.namespace is not None:
        return {selection.namespace: NamespaceSelection()}
    required = parse_field_selector(selection.fields or "")
    return {one.value: NamespaceSelection() for one in required if one.path == _NAMESPACE_FIELD and one.equal}


def _is_frozen(model: Any) -> bool:
    if hasattr(model, "model_config"):
        return bool(model.model_config.get("frozen"))
    return bool(getattr(getattr(model, "__struct_config__", None), "frozen", False))


def _scope(
    name: str,
    choices: tuple[NamespaceSelection | Selection | None, ...],
    wanted: Mapping[str, NamespaceSelection],
) -> Scope:
    """Return the scope of one namespace; `choices` are in the order in which they count."""
    made = [choice for choice in choices if choice is not None]
    labels = _first(*(choice.labels for choice in made), otherwise="")
    selectors = [_first(*(choice.fields for choice in made), otherwise="")]
    if name == ALL_NAMESPACES:
        selectors += [f"{_NAMESPACE_FIELD}!={other}" for other in sorted(wanted) if other != ALL_NAMESPACES]
    parse_selector(labels)  # refused now, not when the server is asked
    transform = next((choice.transform for choice in made if choice.transform is not None), None)
    return Scope(name or None, labels, ",".join(filter(None, selectors)), transform)


def _first(*choices: T | None, otherwise: T) -> T:
    return next((choice for choice in choices if choice is not None), otherwise)
