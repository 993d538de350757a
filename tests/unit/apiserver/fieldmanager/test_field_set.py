import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.apiserver.fieldmanager.field_set import from_fields_v1, key_element, printed, to_fields_v1

ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
PATHS = st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple)


@given(st.frozensets(PATHS))
def test_a_set_survives_being_stored(fields):
    assert from_fields_v1(to_fields_v1(fields)) == fields


def test_a_member_with_members_below_is_marked_by_a_dot():
    fields = {("f:spec", "f:a"), ("f:spec", "f:a", "f:b"), ("f:spec", "f:c", "f:d")}
    assert to_fields_v1(fields) == {"f:spec": {"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}}}


def test_keys_are_read_whatever_the_order_of_their_fields():
    stored = {"f:ports": {'k:{"protocol":"TCP","containerPort":80}': {}}}
    assert from_fields_v1(stored) == {("f:ports", key_element({"containerPort": 80, "protocol": "TCP"}))}


@pytest.mark.parametrize("tree", [{"spec": {}}, {"f:a": 1}, {"x:a": {}}])
def test_what_is_no_field_set_is_refused(tree):
    with pytest.raises(ValueError, match="fieldsV1"):
        from_fields_v1(tree)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:replicas"), ".spec.replicas"),
        (("f:spec", "f:containers", 'k:{"name":"a"}', "f:image"), '.spec.containers[name="a"].image'),
        (("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'), '.ports[containerPort=80,protocol="TCP"]'),
        (("f:metadata", "f:finalizers", 'v:"x/y"'), '.metadata.finalizers[="x/y"]'),
    ],
)
def test_paths_print_as_kubernetes_prints_them(path, text):
    assert printed(path) == text
