"""Selectors as predicates over stored objects."""

import pytest

from kaito.apiserver.resources import BUILTIN_RESOURCES, CustomVersion, GroupVersion, Resource
from kaito.apiserver.selection import exact_name, field_predicate, label_predicate
from kaito.core import ApiError

RESOURCES = {resource.storage_key: resource for resource in BUILTIN_RESOURCES if resource.kind != "Event"}
EVENTS = next(resource for resource in BUILTIN_RESOURCES if resource.kind == "Event")
POD = {
    "metadata": {"name": "web", "namespace": "team", "labels": {"app": "web"}},
    "spec": {"nodeName": "gpu-1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [("app=web", True), ("app!=web", False), ("app in (web,api)", True), ("!app", False), ("other", False)],
)
def test_labels_select(selector, selected):
    predicate = label_predicate(selector)
    assert predicate is not None
    assert predicate(POD) is selected


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("spec.nodeName=gpu-1", True),
        ("spec.nodeName!=gpu-1", False),
        ("spec.nodeName=", False),
        ("status.phase=Running,metadata.namespace=team", True),
        ("metadata.name==web", True),
    ],
)
def test_fields_select(selector, selected):
    predicate = field_predicate(RESOURCES["pods"], selector)
    assert predicate is not None
    assert predicate(POD) is selected


def test_an_event_is_selected_by_what_it_is_about():
    event = {"metadata": {}, "involvedObject": {"name": "web", "kind": "Pod"}, "reason": "Killed", "type": "Warning"}
    predicate = field_predicate(EVENTS, "involvedObject.name=web,involvedObject.kind=Pod,type=Warning,reason=Killed")
    assert predicate is not None
    assert predicate(event)


def test_unset_booleans_of_nodes_select_as_false():
    predicate = field_predicate(RESOURCES["nodes"], "spec.unschedulable=false")
    assert predicate is not None
    assert predicate({"metadata": {}, "spec": {}})


def test_custom_resources_select_by_their_selectable_fields():
    resource = Resource(GroupVersion("x.org", "v1"), "things", "Thing", custom=CustomVersion("v1", (), ("spec.size",)))
    predicate = field_predicate(resource, "spec.size=3")
    assert predicate is not None
    assert predicate({"metadata": {}, "spec": {"size": 3}})


@pytest.mark.parametrize(
    ("resource", "selector"), [("pods", "spec.containers=x"), ("configmaps", "data.a=b"), ("pods", "nonsense")]
)
def test_a_field_that_cannot_be_selected_by_is_a_bad_request(resource, selector):
    with pytest.raises(ApiError) as refused:
        field_predicate(RESOURCES[resource], selector)
    assert refused.value.code == 400


def test_a_selector_that_does_not_parse_is_a_bad_request():
    with pytest.raises(ApiError) as refused:
        label_predicate("a in (")
    assert refused.value.code == 400


def test_an_empty_selector_selects_everything_without_looking():
    assert label_predicate(" ") is None
    assert field_predicate(RESOURCES["pods"], "") is None


@pytest.mark.parametrize(
    ("selector", "name"), [("metadata.name=web", "web"), ("metadata.name!=web", None), ("metadata.name=a,type=b", None)]
)
def test_a_selector_of_one_name_is_recognised(selector, name):
    assert exact_name(selector) == name
