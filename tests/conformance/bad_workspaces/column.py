"""Rows that differ in one field's value alone, and the causes that API servers give."""

from typing import Any

from bad_workspaces.row import Bad

TYPE, REQUIRED, LONG, MANY, SUPPORTED = (
    "FieldValueTypeInvalid",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueNotSupported",
)


def rows(good: str, field: str, says: str, cause: str, **values: Any) -> list[Bad]:
    """One row per value of one field."""
    return [
        Bad(f"{field}: {case.replace('_', ' ')}", good, {field: value}, field, says, cause)
        for case, value in values.items()
    ]


def forms(good: str, field: str, says: str, **values: Any) -> list[Bad]:
    return rows(good, field, says, "FieldValueInvalid", **values)


def types(good: str, field: str, wanted: str, **values: Any) -> list[Bad]:
    return rows(good, field, f"must be of type {wanted}", TYPE, **values)
