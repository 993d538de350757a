"""What an applied object must be for its fields to have owners."""

import pytest

from kaito.apiserver.fieldmanager import require_types
from kaito.apiserver.schema import StructuralSchema, builtin_schema
from kaito.core.errors import ApiError

TWO = """errors:
  .spec.containers[name="a"].tty: expected boolean, got &{x}
  .spec.colour: field not declared in schema"""
POD = builtin_schema("v1", "Pod")


def pod(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"colour": "red"}, ".spec.colour: field not declared in schema"),
        ({"nodeName": 1}, ".spec.nodeName: expected string, got &value.valueUnstructured{Value:1}"),
        ({"containers": "c"}, ".spec.containers: expected list, got &{c}"),
        ({"hostNetwork": 1}, ".spec.hostNetwork: expected boolean, got &{1}"),
        ({"priority": True}, ".spec.priority: expected numeric (int or float), got bool"),
        ({"priority": {"a": 1}}, ".spec.priority: expected numeric (int or float), got map[string]interface {}"),
        ({"nodeSelector": ["a", {"b": 1}]}, ".spec.nodeSelector: expected map, got &{[a map[b:1]]}"),
        (
            {"containers": [{"name": "a"}, {"name": "a"}]},
            '.spec.containers: duplicate entries for key [name="a"]',
        ),
        (
            {"containers": [{"name": "a", "tty": "x"}], "colour": 1},
            TWO,
        ),
    ],
)
def test_what_is_not_in_the_schema_is_told_with_its_path(spec, said):
    with pytest.raises(ApiError) as refused:
        require_types(pod(**spec), POD)
    assert (refused.value.status.code, refused.value.status.reason) == (500, "")
    assert refused.value.message == f"failed to create typed patch object (n/p; /v1, Kind=Pod): {said}"


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": None},
        {"containers": [{"image": "without a name"}]},
        {"containers": [{"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]},
        {"nodeSelector": {"any": "thing"}},
    ],
)
def test_null_keys_of_structs_and_quantities_of_either_type_have_owners(spec):
    require_types(pod(**spec), POD)


def test_an_item_of_a_custom_resource_must_have_its_key():
    schema = StructuralSchema.from_openapi(
        {
            "type": "object",
            "properties": {
                "list": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                }
            },
        }
    )
    obj = {"apiVersion": "example.org/v1", "kind": "It", "list": [{}]}
    words = 'associative list with keys has an element that omits key field "name"'
    with pytest.raises(ApiError, match=words):
        require_types(obj, schema)
