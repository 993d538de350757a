"""`metadata.managedFields`: who owns which fields, since when, and how the list is read and written."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from kaito.apiserver.fieldmanager.field_set import Fields, from_fields_v1, to_fields_v1

APPLY = "Apply"
UPDATE = "Update"


class ManagerKey(NamedTuple):
    """What tells two entries apart. An applier is the same whatever version it applies in, so its key has none."""

    name: str
    operation: str
    subresource: str
    api_version: str

    def __str__(self) -> str:
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


@dataclass(frozen=True)
class Entry:
    """The fields of one manager; `time` is RFC 3339 and empty when nobody recorded it."""

    fields: Fields
    api_version: str
    time: str = ""


Managers = dict[ManagerKey, Entry]


def manager_key(name: str, operation: str, subresource: str, api_version: str) -> ManagerKey:
    """Return the key of a manager's entry."""
    return ManagerKey(name, operation, subresource, "" if operation == APPLY else api_version)


def read_managers(entries: Iterable[dict[str, Any]] | None) -> Managers:
    """Read `managedFields`. Raises ValueError when an entry is no such thing."""
    result: Managers = {}
    for entry in entries or ():
        if entry.get("fieldsType", "FieldsV1") != "FieldsV1" or entry.get("operation") not in {APPLY, UPDATE}:
            raise ValueError(f"entry of manager {entry.get('manager')!r} has an unknown operation or fieldsType")
        api_version = entry.get("apiVersion", "")
        key = manager_key(entry.get("manager", ""), entry["operation"], entry.get("subresource", ""), api_version)
        fields = from_fields_v1(entry.get("fieldsV1") or {})
        if key in result:
            fields |= result[key].fields
        result[key] = Entry(fields, api_version, entry.get("time", ""))
    return result


def write_managers(managers: Managers) -> list[dict[str, Any]]:
    """Return the `managedFields` list: appliers first, then by time and name, as Kubernetes sorts them."""
    ordered = sorted(managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0]))
    return [_entry(key, entry) for key, entry in ordered if entry.fields]


def _entry(key: ManagerKey, entry: Entry) -> dict[str, Any]:
    result: dict[str, Any] = {
        "manager": key.name,
        "operation": key.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(entry.fields),
        "subresource": key.subresource,
    }
    return {name: value for name, value in result.items() if value != ""}


def less(managers: Managers, fields: Fields, *, but: ManagerKey | None = None) -> Managers:
    """Return `managers` with `fields` taken from all (`but` one); those left with nothing are gone."""
    result: Managers = {}
    for key, entry in managers.items():
        rest = entry.fields if key == but else entry.fields - fields
        if rest:
            result[key] = entry if rest == entry.fields else replace(entry, fields=rest)
    return result
