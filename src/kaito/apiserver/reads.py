"""The reading verbs, get and list, and the forms in which objects are sent: whole, as metadata alone, or as a Table."""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast, get_args

import orjson

from kaito.apiserver import selection, status
from kaito.apiserver.kinds.event import to_core
from kaito.apiserver.request import Accepted, Options, Target
from kaito.apiserver.resources import Resource
from kaito.apiserver.store import Change, Store
from kaito.apiserver.table import IncludeObject, builtin_table, crd_table
from kaito.apiserver.versions import served_body, served_form
from kaito.core.clock import Clock
from kaito.core.objects import Key, Object

_META = "meta.k8s.io/v1"
_EXPIRED_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter, or use the continue token in this response to retrieve "
    "the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that "
    "were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."
)
_ANY_VERSION = -1
"""In a token: the rest of the list as it is now."""


@dataclass(frozen=True)
class Page:
    """A part of a list: stored bodies, the version it belongs to, and where the next part begins."""

    bodies: list[bytes]
    version: int
    next: str = ""
    remaining: int | None = None


class Reader:
    """Reads objects and renders them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self._clock = clock

    def get(self, resource: Resource, target: Target, options: Options) -> bytes:
        """Return an object's stored JSON; 404 when there is none, 504 for one of a version that is yet to come."""
        self._present(options.text("resourceVersion"))
        body = self.store.get(resource.storage_key, target.key)
        if body is None:
            raise status.not_found(resource.group, resource.plural, target.name)
        return body

    def _present(self, asked: str) -> int:
        version = parse_version(asked)
        if version > self.store.version:
            raise status.too_large_resource_version(version, self.store.version)
        return version

    def page(self, resource: Resource, target: Target, options: Options) -> Page:
        """Return the selected objects, or a page of them."""
        version, after = self._starting_point(resource, options)
        predicate = predicate_of(resource, options)
        limit = options.number("limit") or 0
        namespace = target.namespace if resource.namespaced and target.namespace else None
        if (name := selection.exact_name(options.text("fieldSelector"))) and (namespace or not resource.namespaced):
            rows: Iterable[tuple[Key, bytes]] = self._one(resource, Key(namespace or "", name))
        else:
            rows = self._rows(resource.storage_key, namespace, after, version)
        bodies: list[bytes] = []
        last = Key("", "")
        for key, body in rows:
            if predicate and not predicate(orjson.loads(body)):
                continue
            if limit and len(bodies) == limit:
                remaining = None if predicate else self._remaining(resource, namespace, last)
                return Page(bodies, version, _token(version, last), remaining)
            bodies.append(body)
            last = key
        return Page(bodies, version)

    def _rows(self, kind: str, namespace: str | None, after: Key | None, version: int) -> Iterable[tuple[Key, bytes]]:
        """Return the objects as they were at `version`; 410 when a state of then is no longer known."""
        rows = self.store.scan(kind, namespace, after)
        changes = self.store.history(kind, version) if version < self.store.version else []
        if not changes:
            return rows
        then: dict[Key, bytes | None] = {}
        for change in changes:
            if change.key not in then:
                then[change.key] = None if change.type == "ADDED" else self._known_before(kind, change)
        found = {**dict(rows), **then}
        wanted = (key for key in found if namespace in (None, key.namespace) and (after is None or key > after))
        return [(key, body) for key in sorted(wanted) if (body := found[key]) is not None]

    def _known_before(self, kind: str, change: Change) -> bytes:
        body = self.store.before(kind, change)
        if body is None:
            raise status.expired(_EXPIRED_PAGE)
        return body

    def _one(self, resource: Resource, key: Key) -> list[tuple[Key, bytes]]:
        body = self.store.get(resource.storage_key, key)
        return [] if body is None else [(key, body)]

    def _remaining(self, resource: Resource, namespace: str | None, last: Key) -> int:
        return sum(1 for _ in self.store.scan(resource.storage_key, namespace, last))

    def _starting_point(self, resource: Resource, options: Options) -> tuple[int, Key | None]:
        token, asked, match = (options.text(name) for name in ("continue", "resourceVersion", "resourceVersionMatch"))
        if token:
            version, after = _read_token(token)
            if version == _ANY_VERSION:
                return self.store.version, after
            if version <= self.store.compacted:
                raise status.expired(_EXPIRED_PAGE, continue_token=_token(_ANY_VERSION, after))
            return version, after
        version = self._present(asked)
        if match == "Exact" and version < self.store.version:
            if version <= self.store.compacted:
                raise status.expired("The resourceVersion for the provided list is too old.")
            return version, None
        return self.store.version, None

    def render(self, resource: Resource, body: bytes, accepted: Accepted, options: Options) -> bytes:
        """Return one stored object in the form that was asked for."""
        if accepted.table:
            return orjson.dumps(self.table(resource, [served_form(resource, orjson.loads(body))], options))
        if accepted.partial:
            return orjson.dumps(partial(orjson.loads(body)))
        return served_body(resource, body)

    def render_page(self, resource: Resource, page: Page, accepted: Accepted, options: Options) -> bytes:
        """Return a list in the form that was asked for."""
        meta: Object = {"resourceVersion": str(page.version)}
        if page.next:
            meta["continue"] = page.next
            if page.remaining is not None:
                meta["remainingItemCount"] = page.remaining
        if accepted.table:
            objects = [served_form(resource, orjson.loads(body)) for body in page.bodies]
            return orjson.dumps({**self.table(resource, objects, options), "metadata": meta})
        if accepted.partial:
            items = [partial(orjson.loads(body)) for body in page.bodies]
            return orjson.dumps(
                {"kind": "PartialObjectMetadataList", "apiVersion": _META, "metadata": meta, "items": items}
            )
        head = orjson.dumps({"kind": resource.list_kind_name, "apiVersion": resource.api_version, "metadata": meta})
        return head[:-1] + b',"items":[' + b",".join(self._item(resource, body) for body in page.bodies) + b"]}"

    def _item(self, resource: Resource, body: bytes) -> bytes:
        """Return an object as an item of a list: the list says the kind of built-in ones, custom ones say it each."""
        served = served_body(resource, body)
        if resource.custom:
            return served
        said = b'{"apiVersion":"%s","kind":"%s",' % (resource.api_version.encode(), resource.kind.encode())
        if served.startswith(said):
            return b"{" + served[len(said) :]
        item = orjson.loads(served)
        return orjson.dumps({name: value for name, value in item.items() if name not in ("apiVersion", "kind")})

    def table(self, resource: Resource, objects: list[Object], options: Options) -> Object:
        """Return a `metav1.Table` of objects in the version of the resource."""
        now = self._clock.now()
        asked = options.text("includeObject") or "Metadata"
        include = asked if asked in get_args(IncludeObject) else "Metadata"
        if resource.custom:
            return crd_table(resource.custom.printer_columns, objects, now, cast("IncludeObject", include))
        if resource.storage_key == "events":
            return builtin_table("v1", "Event", [to_core(obj) for obj in objects], now, cast("IncludeObject", include))
        return builtin_table(resource.api_version, resource.kind, objects, now, cast("IncludeObject", include))


def partial(obj: Object) -> Object:
    """Return the metadata of an object, as `PartialObjectMetadata`."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def predicate_of(resource: Resource, options: Options) -> Callable[[Object], bool] | None:
    """Return the predicate of a request's selectors over stored objects, or None when everything is selected."""
    labels = selection.label_predicate(options.text("labelSelector"))
    return selection.both(labels, selection.field_predicate(resource, options.text("fieldSelector")))


def parse_version(text: str) -> int:
    """Return a resourceVersion as a number, 0 for none; 400 when it is not one."""
    if text and not text.isdigit():
        raise status.bad_request(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text or 0)


def _token(version: int, last: Key) -> str:
    token = orjson.dumps({"v": _META, "rv": version, "start": [last.namespace, last.name]})
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, Key]:
    try:
        raw: Any = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = raw["start"]
        return int(raw["rv"]), Key(str(namespace), str(name))
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise status.bad_request("continue key is not valid") from None
