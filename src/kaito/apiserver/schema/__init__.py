"""Schemas: what kinds of objects there are made of, their defaults, what is wrong with one, and how it is published."""

from kaito.apiserver.schema.builtin import builtin_schema, named_type
from kaito.apiserver.schema.builtin_defaults import apply_defaults
from kaito.apiserver.schema.definition import definition_errors
from kaito.apiserver.schema.field_error import (
    Cause,
    FieldError,
    invalid,
    invalid_error,
    invalid_status,
    not_supported,
    quoted,
    required,
    too_long,
    too_many,
)
from kaito.apiserver.schema.openapi import PublishedKind, openapi_v2_document, openapi_v3_document
from kaito.apiserver.schema.structural import ANYTHING, StructuralSchema
from kaito.apiserver.schema.wire_form import empty_object, wire_form
from kaito.apiserver.schema.zero_values import with_zero_values

__all__ = [
    "ANYTHING",
    "Cause",
    "FieldError",
    "PublishedKind",
    "StructuralSchema",
    "apply_defaults",
    "builtin_schema",
    "definition_errors",
    "empty_object",
    "invalid",
    "invalid_error",
    "invalid_status",
    "named_type",
    "not_supported",
    "openapi_v2_document",
    "openapi_v3_document",
    "quoted",
    "required",
    "too_long",
    "too_many",
    "wire_form",
    "with_zero_values",
]
