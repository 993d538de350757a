import pytest

from kaito.apiserver.schema import Cause, StructuralSchema
from kaito.apiserver.schema.rules import escaped


def schema(rules, properties=None, **more):
    node = {"type": "object", "properties": properties or {}, "x-kubernetes-validations": rules, **more}
    return StructuralSchema.from_openapi({"type": "object", "properties": {"spec": node}})


def errors(rules, spec, old=None, properties=None, **more):
    found = schema(rules, properties, **more).validate({"spec": spec}, None if old is None else {"spec": old})
    return [str(error) for error in found]


NUMBERS = {"a": {"type": "integer"}, "b": {"type": "integer"}}


@pytest.mark.parametrize(
    ("rule", "spec", "properties"),
    [
        ("self.a < self.b", {"a": 1, "b": 2}, NUMBERS),
        ("!has(self.a) || self.a > 0", {}, NUMBERS),
        ("has(self.a) != has(self.b)", {"a": 1}, NUMBERS),
        ("self.l.all(x, x.startsWith('a'))", {"l": ["a", "ab"]}, {"l": {"type": "array", "items": {"type": "string"}}}),
        ("self.l.exists_one(x, x == 'a')", {"l": ["a", "b"]}, {"l": {"type": "array", "items": {"type": "string"}}}),
        (
            "self.m['k'] == 'v'",
            {"m": {"k": "v"}},
            {"m": {"type": "object", "additionalProperties": {"type": "string"}}},
        ),
        ("self.__namespace__ == 'n'", {"namespace": "n"}, {"namespace": {"type": "string"}}),
        ("self.a__dash__b == 1", {"a-b": 1}, {"a-b": {"type": "integer"}}),
        (
            "self.start < timestamp('2030-01-01T00:00:00Z')",
            {"start": "2026-01-01T00:00:00Z"},
            {"start": {"type": "string", "format": "date-time"}},
        ),
        ("self.wait <= duration('1h')", {"wait": "30m"}, {"wait": {"type": "string", "format": "duration"}}),
        ("self.s.matches('^a.c$') && self.s.size() == 3", {"s": "abc"}, {"s": {"type": "string"}}),
        ("self.s.split(',').size() == 2", {"s": "a,b"}, {"s": {"type": "string"}}),
        ("self.s.find('[0-9]+') == '42'", {"s": "a42b"}, {"s": {"type": "string"}}),
        ("quantity(self.s).isLessThan(quantity('1Gi'))", {"s": "1Mi"}, {"s": {"type": "string"}}),
    ],
)
def test_rules_that_hold_say_nothing(rule, spec, properties):
    assert errors([{"rule": rule}], spec, properties=properties) == []


def test_a_rule_that_fails_says_its_message():
    rule = {"rule": "self.a < self.b", "message": "a must be less than b"}
    assert errors([rule], {"a": 3, "b": 2}, properties=NUMBERS) == [
        'spec: Invalid value: "object": a must be less than b'
    ]


def test_a_rule_without_message_is_quoted():
    assert errors([{"rule": "self.a > 5"}], {"a": 1}, properties=NUMBERS) == [
        'spec: Invalid value: "object": failed rule: self.a > 5'
    ]


def test_a_message_expression_makes_the_message():
    rule = {"rule": "self.a > 5", "messageExpression": "'a is ' + string(self.a)", "message": "fallback"}
    assert errors([rule], {"a": 1}, properties=NUMBERS) == ['spec: Invalid value: "object": a is 1']


def test_a_failing_message_expression_falls_back_to_the_message():
    rule = {"rule": "self.a > 5", "messageExpression": "string(self.b)", "message": "fallback"}
    assert errors([rule], {"a": 1}, properties=NUMBERS) == ['spec: Invalid value: "object": fallback']


@pytest.mark.parametrize(
    ("reason", "cause", "words"),
    [
        ("FieldValueForbidden", Cause.FORBIDDEN, "spec.a: Forbidden: no"),
        ("FieldValueRequired", Cause.REQUIRED, "spec.a: Required value: no"),
        ("FieldValueInvalid", Cause.INVALID, 'spec.a: Invalid value: "object": no'),
    ],
)
def test_reason_and_field_path_place_the_error(reason, cause, words):
    rule = {"rule": "false", "message": "no", "reason": reason, "fieldPath": ".a"}
    (error,) = schema([rule], NUMBERS).validate({"spec": {}})
    assert (error.cause, str(error)) == (cause, words)


IMMUTABLE = {"rule": "self.a == oldSelf.a", "message": "a is immutable"}


@pytest.mark.parametrize(
    ("old", "found"),
    [(None, []), ({"a": 1}, []), ({"a": 2}, ['spec: Invalid value: "object": a is immutable'])],
)
def test_a_transition_rule_runs_on_updates_alone(old, found):
    assert errors([IMMUTABLE], {"a": 1}, old, NUMBERS) == found


def test_old_items_of_an_associative_list_are_found_by_their_keys():
    item = {"type": "object", "properties": {"name": {"type": "string"}, "a": {"type": "integer"}}}
    item["x-kubernetes-validations"] = [IMMUTABLE]
    properties = {
        "l": {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    }
    old = {"l": [{"name": "x", "a": 1}, {"name": "y", "a": 2}]}
    new = {"l": [{"name": "y", "a": 2}, {"name": "x", "a": 9}, {"name": "z", "a": 3}]}
    assert errors([], new, old, properties) == ['spec.l[1]: Invalid value: "object": a is immutable']


def test_the_name_of_a_variable_in_a_string_makes_no_transition_rule():
    assert errors([{"rule": "'oldSelf' == 'x'"}], {}) != []


def test_a_rule_that_breaks_fails_the_object():
    (error,) = errors([{"rule": "self.missing == 1"}], {}, properties=NUMBERS)
    assert error == 'spec: Invalid value: "object": no such key: missing evaluating rule: self.missing == 1'


def test_rules_wait_until_the_object_has_the_right_shape():
    found = errors([{"rule": "self.a > 1"}], {"a": "x"}, properties=NUMBERS)
    assert len(found) == 2
    assert found[1] == (
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation"
    )


def test_rules_do_not_run_on_null():
    node = {"type": "object", "nullable": True, "x-kubernetes-validations": [{"rule": "false"}]}
    whole = StructuralSchema.from_openapi({"type": "object", "properties": {"spec": node}})
    assert whole.validate({"spec": None}) == []


def test_rules_see_no_unknown_fields():
    assert errors([{"rule": "size(self) == 1"}], {"a": 1, "unknown": 2}, properties=NUMBERS) == []


def test_a_rule_that_does_not_compile_is_refused_with_its_schema():
    with pytest.raises(ValueError, match="does not compile"):
        schema([{"rule": "self.a &&"}])


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("plain", "plain"), ("in", "__in__"), ("a.b", "a__dot__b"), ("a/b", "a__slash__b"), ("a__b", "a__underscores__b")],
)
def test_names_are_escaped_to_identifiers(name, identifier):
    assert escaped(name) == identifier
