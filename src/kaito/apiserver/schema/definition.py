"""What the schema of a CustomResourceDefinition must be: structural, with defaults and rules that fit it.

Source: Kubernetes' "Specifying a structural schema"; the type checker of CEL rules is reduced to the fields they name.
"""

import re
from collections.abc import Iterator

from kaito.apiserver.schema.field_error import FieldError, invalid, required
from kaito.apiserver.schema.structural import StructuralSchema
from kaito.core.objects import Object

_MEMBER = re.compile(r"""(?<![\w."'])(?:self|oldSelf)\.([a-zA-Z_]\w*)(?!\w*\()""")
_ROOT_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def definition_errors(schema: Object, path: str, *, root: bool = True) -> Iterator[FieldError]:
    """Yield what is wrong with a schema and all schemas in it; `path` is that of the schema in its definition."""
    if not schema.get("type") and not _open(schema):
        yield required(f"{path}.type", "must not be empty for specified object fields")
    yield from _default_errors(schema, path)
    yield from _rule_errors(schema, path, root=root)
    for name, child in (schema.get("properties") or {}).items():
        yield from definition_errors(child, f"{path}.properties[{name}]", root=False)
    for name in ("items", "additionalProperties"):
        if isinstance(child := schema.get(name), dict):
            yield from definition_errors(child, f"{path}.{name}", root=False)


def _open(schema: Object) -> bool:
    names = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "$ref")
    return any(schema.get(name) for name in names)


def _default_errors(schema: Object, path: str) -> Iterator[FieldError]:
    if "default" not in schema:
        return
    for error in StructuralSchema.from_openapi(schema).validate(schema["default"]):
        yield invalid(f"{path}.default", schema["default"], error.body)


def _rule_errors(schema: Object, path: str, *, root: bool) -> Iterator[FieldError]:
    """Yield an error for each rule that names a field of an object that the object cannot have."""
    known = set(schema.get("properties") or ()) | (_ROOT_FIELDS if root else set())
    if not schema.get("properties") or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        text = str(rule.get("rule", ""))
        for name in dict.fromkeys(_MEMBER.findall(text)):
            if name not in known and name.strip("_") not in known:
                detail = f"compilation failed: undefined field '{name}'"
                yield invalid(f"{path}.x-kubernetes-validations[{index}].rule", text, detail)
