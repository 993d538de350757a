import pytest

from kaito.apiserver.schema import Cause, StructuralSchema, builtin_schema, invalid_status


def errors(openapi, value, old=None):
    schema = StructuralSchema.from_openapi({"type": "object", "properties": {"x": openapi}})
    return [str(error) for error in schema.validate({"x": value}, None if old is None else {"x": old})]


STRINGS = {"type": "array", "items": {"type": "string"}}
PORT = {"type": "object", "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("openapi", "value", "words"),
    [
        ({"type": "integer"}, "a", 'x: Invalid value: "string": x in body must be of type integer: "string"'),
        ({"type": "string"}, 1, 'x: Invalid value: "integer": x in body must be of type string: "integer"'),
        ({"type": "string"}, None, 'x: Invalid value: "null": x in body must be of type string: "null"'),
        ({"type": "object"}, [], 'x: Invalid value: "array": x in body must be of type object: "array"'),
        ({"type": "boolean"}, "true", 'x: Invalid value: "string": x in body must be of type boolean: "string"'),
        ({"type": "integer"}, 1.5, 'x: Invalid value: "number": x in body must be of type integer: "number"'),
        (STRINGS, ["a", 1], 'x[1]: Invalid value: "integer": x[1] in body must be of type string: "integer"'),
        ({"type": "string", "enum": ["a", "b"]}, "c", 'x: Unsupported value: "c": supported values: "a", "b"'),
        ({"type": "integer", "enum": [1, 2]}, 3, 'x: Unsupported value: 3: supported values: "1", "2"'),
        ({"type": "string", "maxLength": 2}, "abc", "x: Too long: may not be more than 2 bytes"),
        ({"type": "string", "minLength": 1}, "", 'x: Invalid value: "": x in body should be at least 1 chars long'),
        ({"type": "string", "pattern": "^a+$"}, "b", "x: Invalid value: \"b\": x in body should match '^a+$'"),
        (
            {"type": "string", "format": "date-time"},
            "now",
            'x: Invalid value: "now": x in body must be of type date-time: "now"',
        ),
        ({"type": "integer", "maximum": 3}, 4, "x: Invalid value: 4: x in body should be less than or equal to 3"),
        ({"type": "integer", "minimum": 3}, 2, "x: Invalid value: 2: x in body should be greater than or equal to 3"),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            0,
            "x: Invalid value: 0: x in body should be greater than 0",
        ),
        ({"type": "integer", "multipleOf": 4}, 6, "x: Invalid value: 6: x in body should be a multiple of 4"),
        ({**STRINGS, "maxItems": 1}, ["a", "b"], "x: Too many: 2: must have at most 1 item"),
        ({**STRINGS, "minItems": 1}, [], "x: Invalid value: 0: x in body should have at least 1 items"),
        ({"type": "object", "maxProperties": 0}, {"a": 1}, "x: Too many: 1: must have at most 0 items"),
        ({"type": "object", "required": ["a"]}, {}, "x.a: Required value"),
        ({**STRINGS, "x-kubernetes-list-type": "set"}, ["a", "b", "a"], 'x[2]: Duplicate value: "a"'),
        (
            {"type": "array", "items": PORT, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            [{"name": "a", "port": 1}, {"name": "a", "port": 2}],
            'x[1]: Duplicate value: {"name":"a"}',
        ),
        ({"x-kubernetes-int-or-string": True}, True, 'must be of type integer or string: "boolean"'),
        ({"type": "object", "not": {"required": ["a"]}}, {"a": 1}, '"x" must not validate the schema (not)'),
    ],
)
def test_what_is_wrong_is_said_in_kubernetes_words(openapi, value, words):
    found = errors(openapi, value)
    assert len(found) == 1
    assert found[0].endswith(words)


@pytest.mark.parametrize(
    ("openapi", "value"),
    [
        ({"type": "integer"}, 3.0),
        ({"type": "number"}, 3),
        ({"type": "string", "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, "25%"),
        ({"type": "string", "format": "no-such-format"}, "anything"),
        ({"type": "string", "format": "date-time"}, "2026-01-02T03:04:05Z"),
        ({"type": "string", "pattern": "a"}, "cab"),
        ({"x-kubernetes-preserve-unknown-fields": True}, [1, "a", {}]),
        ({"type": "string", "maxLength": 3}, "äöü"),
    ],
)
def test_what_is_right_passes(openapi, value):
    assert errors(openapi, value) == []


ONE_OF = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": 1, "b": 2}, ['x: Invalid value: "": "x" must validate one and only one schema (oneOf). Found 2 valid']),
        (
            {},
            [
                "x.a: Required value",
                'x: Invalid value: "": "x" must validate one and only one schema (oneOf). Found none valid',
            ],
        ),
        ({"a": 1}, []),
    ],
)
def test_exactly_one_alternative_must_hold(value, words):
    assert errors(ONE_OF, value) == words


def test_any_alternative_may_hold():
    openapi = {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    assert errors(openapi, {"a": 1, "b": 1}) == []
    assert errors(openapi, {})[-1] == 'x: Invalid value: "": "x" must validate at least one schema (anyOf)'


def test_all_alternatives_must_hold():
    openapi = {"type": "integer", "allOf": [{"minimum": 1}, {"maximum": 3}]}
    assert errors(openapi, 2) == []
    assert errors(openapi, 5)[-1] == 'x: Invalid value: "": "x" must validate all the schemas (allOf)'


def test_built_in_kinds_have_types_and_required_fields():
    pod = {
        "metadata": {"labels": {"a": 1}},
        "spec": {"containers": [{"image": "i", "resources": {"limits": {"cpu": 1}}}]},
    }
    assert [str(error) for error in builtin_schema("v1", "Pod").validate(pod)] == [
        'metadata.labels.a: Invalid value: "integer": metadata.labels.a in body must be of type string: "integer"',
        "spec.containers[0].name: Required value",
    ]


def test_the_status_of_an_invalid_object_lists_each_cause():
    schema = StructuralSchema.from_openapi({"type": "object", "required": ["spec", "more"]})
    status = invalid_status("kaito.sh", "Workspace", "w", schema.validate({}))
    assert status.code == 422
    assert status.message == 'Workspace.kaito.sh "w" is invalid: [spec: Required value, more: Required value]'
    assert status.details["causes"][0] == {"reason": str(Cause.REQUIRED), "message": "Required value", "field": "spec"}
