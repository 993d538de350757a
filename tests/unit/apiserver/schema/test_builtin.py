import pytest

from kaito.apiserver.schema import builtin_schema, named_type
from kaito.apiserver.schema.builtin import _KINDS, _table


@pytest.mark.parametrize("name", sorted(_table()))
def test_every_type_of_the_table_can_be_read(name):
    schema = named_type(name)
    assert schema.type == "object"
    assert set(schema.required) <= set(schema.properties)


@pytest.mark.parametrize(("api_version", "kind"), [*_KINDS])
def test_every_kind_has_metadata(api_version, kind):
    assert builtin_schema(api_version, kind).properties["metadata"].reference == "meta.v1.ObjectMeta"


def test_no_type_of_the_table_is_unused():
    seen = set()

    def visit(schema):
        if schema.reference in seen:
            return
        if schema.reference:
            seen.add(schema.reference)
        for child in [*schema.properties.values(), schema.values, schema.items]:
            if child is not None:
                visit(child)

    for api_version, kind in _KINDS:
        visit(builtin_schema(api_version, kind))
    assert seen == set(_table())


@pytest.mark.parametrize(
    ("name", "field", "expected"),
    [
        ("core.v1.PodSpec", "containers", ("map", ("name",), "name")),
        ("core.v1.Container", "ports", ("map", ("containerPort", "protocol"), "containerPort")),
        ("core.v1.ServiceSpec", "ports", ("map", ("port", "protocol"), "port")),
        ("core.v1.Container", "args", ("atomic", (), "")),
        ("meta.v1.ObjectMeta", "finalizers", ("set", (), "")),
        ("meta.v1.ObjectMeta", "ownerReferences", ("map", ("uid",), "uid")),
    ],
)
def test_lists_mean_what_they_mean_in_kubernetes(name, field, expected):
    schema = named_type(name).properties[field]
    assert (schema.list_type, schema.list_map_keys, schema.merge_key) == expected


def test_an_unknown_kind_has_no_schema():
    assert builtin_schema("example.org/v1", "Echo") is None
