"""The Table itself: columns, rows, and what each row carries of its object."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from kaito.apiserver.table.cells import BUILTIN_CELLS, generic_cells
from kaito.apiserver.table.columns import BUILTIN_COLUMNS, GENERIC_COLUMNS, NAME, Column, column
from kaito.apiserver.table.durations import age
from kaito.apiserver.table.jsonpath import JsonPath
from kaito.core.objects import Object

IncludeObject = Literal["Metadata", "Object", "None"]
"""What rows carry (query parameter `includeObject`): the metadata alone, the whole object, or nothing."""

_GROUPS = {
    "policy/v1",
    *("v1", "apps/v1", "batch/v1", "discovery.k8s.io/v1", "coordination.k8s.io/v1", "apiextensions.k8s.io/v1"),
    "admissionregistration.k8s.io/v1",
}
_AGE_COLUMN = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def builtin_table(
    api_version: str,
    kind: str,
    objs: Iterable[Object],
    now: datetime,
    include_object: IncludeObject = "Metadata",
) -> Object:
    """Return the Table of a built-in kind, with Kubernetes' own columns; NAME and AGE for an unknown one."""
    known = api_version in _GROUPS and kind in BUILTIN_CELLS
    cells = BUILTIN_CELLS[kind] if known else generic_cells
    columns = BUILTIN_COLUMNS[kind] if known else GENERIC_COLUMNS
    return _table(columns, [(obj, cells(obj, now)) for obj in objs], include_object)


def crd_table(
    printer_columns: Sequence[Object],
    objs: Iterable[Object],
    now: datetime,
    include_object: IncludeObject = "Metadata",
) -> Object:
    """Return the Table of a custom kind by its `additionalPrinterColumns` (NAME and AGE when it has none).

    Raises ValueError when a column's jsonPath is none.
    """
    given = printer_columns or [_AGE_COLUMN]
    paths = [(JsonPath(item["jsonPath"]), item["type"]) for item in given]
    columns = [NAME, *(_printer_column(item) for item in given)]
    rows = []
    for obj in objs:
        name = obj.get("metadata", {}).get("name", "")
        rows.append((obj, [name, *(_cell(path.find(obj), kind, now) for path, kind in paths)]))
    return _table(columns, rows, include_object)


def _printer_column(item: Object) -> Column:
    description = (
        item.get("description") or f"Custom resource definition column (in JSONPath format): {item['jsonPath']}"
    )
    return column(item["name"], item["type"], item.get("priority", 0), description, item.get("format", ""))


def _cell(found: list[Any], kind: str, now: datetime) -> Any:
    value = found[0] if found else None
    if value is None:
        return None
    match kind:
        case "string":
            return _printed(value)
        case "integer":
            return int(value) if _is_number(value) else None
        case "number":
            return float(value) if _is_number(value) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return age(value, now) if isinstance(value, str) else None
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _printed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _table(columns: list[Column], rows: Iterable[tuple[Object, list[Any]]], include_object: IncludeObject) -> Object:
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns,
        "rows": [{"cells": cells, **_row_object(obj, include_object)} for obj, cells in rows],
    }


def _row_object(obj: Object, include_object: IncludeObject) -> Object:
    if include_object == "None":
        return {}
    if include_object == "Object":
        return {"object": obj}
    meta = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj.get("metadata", {})}
    return {"object": meta}
