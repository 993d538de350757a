import pytest

from kaito.apiserver.patch import strategic_merge_patch
from kaito.apiserver.schema import builtin_schema
from kaito.core.errors import ApiError

DEPLOYMENT = builtin_schema("apps/v1", "Deployment")
SERVICE = builtin_schema("v1", "Service")
POD = builtin_schema("v1", "Pod")
DEFINITION = builtin_schema("apiextensions.k8s.io/v1", "CustomResourceDefinition")


def pod(*containers, **spec):
    return {"spec": {"containers": list(containers), **spec}}


def names(obj):
    return [item["name"] for item in obj["spec"]["containers"]]


def test_containers_merge_by_name():
    live = pod({"name": "a", "image": "1"}, {"name": "b", "image": "1"})
    result = strategic_merge_patch(live, pod({"name": "b", "image": "2"}, {"name": "c", "image": "3"}), POD)
    assert result["spec"]["containers"] == [
        {"name": "a", "image": "1"},
        {"name": "b", "image": "2"},
        {"name": "c", "image": "3"},
    ]


def test_ports_merge_by_port_and_env_by_name_at_depth():
    live = pod({"name": "a", "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80, "name": "h"}]})
    patch = pod({"name": "a", "env": [{"name": "Y", "value": "2"}], "ports": [{"containerPort": 80, "hostPort": 8}]})
    container = strategic_merge_patch(live, patch, POD)["spec"]["containers"][0]
    assert container["env"] == [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]
    assert container["ports"] == [{"containerPort": 80, "name": "h", "hostPort": 8}]


def test_a_list_without_merge_key_is_replaced():
    live = pod({"name": "a", "args": ["1", "2"]})
    result = strategic_merge_patch(live, pod({"name": "a", "args": ["3"]}), POD)
    assert result["spec"]["containers"][0]["args"] == ["3"]


def test_an_item_is_deleted_by_its_key():
    live = pod({"name": "a"}, {"name": "b"})
    assert names(strategic_merge_patch(live, pod({"name": "a", "$patch": "delete"}), POD)) == ["b"]


def test_a_list_is_replaced_by_directive():
    live = pod({"name": "a"}, {"name": "b"})
    assert names(strategic_merge_patch(live, pod({"$patch": "replace"}, {"name": "c"}), POD)) == ["c"]


def test_a_map_is_replaced_by_directive():
    live = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    patch = {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}
    assert strategic_merge_patch(live, patch, POD) == {"metadata": {"labels": {"c": "3"}}}


def test_a_map_is_emptied_by_directive():
    live = {"metadata": {"labels": {"a": "1"}}}
    assert strategic_merge_patch(live, {"metadata": {"labels": {"$patch": "delete"}}}, POD) == {
        "metadata": {"labels": {}}
    }


def test_null_removes_a_field():
    live = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert strategic_merge_patch(live, {"metadata": {"labels": {"a": None}}}, POD)["metadata"]["labels"] == {"b": "2"}


def test_only_the_retained_keys_of_a_union_stay():
    live = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge_patch(live, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_finalizers_merge_as_a_set_of_scalars():
    live = {"metadata": {"finalizers": ["a", "b"]}}
    patch = {"metadata": {"finalizers": ["c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"]}}
    assert strategic_merge_patch(live, patch, POD) == {"metadata": {"finalizers": ["c", "a"]}}


@pytest.mark.parametrize(
    ("live", "order", "result"),
    [
        (["a", "b"], ["b", "a"], ["b", "a"]),
        (["a", "b", "c"], ["c", "a"], ["b", "c", "a"]),
        (["mine", "b", "a"], ["a", "b"], ["mine", "a", "b"]),
        (["a", "mine", "b"], ["a", "b"], ["a", "mine", "b"]),
    ],
)
def test_an_element_order_moves_what_it_names_and_leaves_the_rest_in_place(live, order, result):
    patch = {"spec": {"$setElementOrder/containers": [{"name": name} for name in order]}}
    patched = strategic_merge_patch(pod(*({"name": name} for name in live)), patch, POD)
    assert names(patched) == result


def test_kubectl_applies_a_changed_and_reordered_list():
    live = pod({"name": "a", "image": "1"}, {"name": "b", "image": "1"})
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c", "image": "3"}, {"name": "b", "$patch": "delete"}],
        }
    }
    result = strategic_merge_patch(live, patch, POD)
    assert result["spec"]["containers"] == [{"name": "c", "image": "3"}, {"name": "a", "image": "1"}]


def test_what_was_not_there_is_taken_without_directives_and_nulls():
    patch = {
        "spec": {"containers": [{"name": "a", "$patch": "merge", "image": None}, {"name": "b", "$patch": "delete"}]}
    }
    assert strategic_merge_patch({}, patch, POD) == {"spec": {"containers": [{"name": "a"}]}}


def test_a_dollar_in_an_ordinary_key_is_no_directive():
    version = {"name": "v1", "schema": {"openAPIV3Schema": {"$ref": "#/x"}}}
    result = strategic_merge_patch({}, {"spec": {"versions": [version]}}, DEFINITION)
    assert result["spec"]["versions"] == [version]


def test_a_directive_that_is_none_is_refused_as_by_a_real_server():
    with pytest.raises(ApiError, match="unknown patch type: merge in map") as caught:
        strategic_merge_patch({"spec": {}}, {"spec": {"$patch": "merge"}}, builtin_schema("v1", "Pod"))
    assert caught.value.code == 500


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, "does not contain declared merge key: name"),
        ({"spec": {"containers": ["x"]}}, "list element types are not identical"),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(patch, words):
    with pytest.raises(ApiError, match=words) as caught:
        strategic_merge_patch(pod({"name": "a"}), patch, POD)
    assert caught.value.code == 500
