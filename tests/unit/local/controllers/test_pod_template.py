"""The pod that a template describes."""

from typing import Any

import pytest

from kaito.core.kinds import REPLICA_SET
from kaito.local.controllers.pod_template import pod_of_template

OWNER = {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}}
SPEC = {"containers": [{"name": "main"}]}


def test_a_pod_is_named_after_its_owner_lives_beside_it_and_is_controlled_by_it() -> None:
    pod = pod_of_template({"spec": SPEC}, OWNER, REPLICA_SET)
    assert (pod["apiVersion"], pod["kind"], pod["spec"]) == ("v1", "Pod", SPEC)
    (owner,) = pod["metadata"].pop("ownerReferences")
    assert (owner["apiVersion"], owner["kind"], owner["name"], owner["uid"]) == ("apps/v1", "ReplicaSet", "web", "u")
    assert owner["controller"] is True
    assert pod["metadata"] == {"generateName": "web-", "namespace": "shop", "labels": {}}


@pytest.mark.parametrize("field", ["labels", "annotations", "finalizers"])
@pytest.mark.parametrize("value", [None, {"a": "b"}])
def test_of_the_templates_metadata_what_is_set_is_the_pods(field: str, value: Any) -> None:
    pod = pod_of_template({"metadata": {field: value, "name": "ignored"}, "spec": SPEC}, OWNER, REPLICA_SET)
    assert pod["metadata"].get(field) == (value or ({} if field == "labels" else None))
    assert "name" not in pod["metadata"]


def test_what_the_owner_adds_to_the_labels_is_not_in_the_template() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": SPEC}
    pod_of_template(template, OWNER, REPLICA_SET)["metadata"]["labels"]["own"] = "1"
    assert template["metadata"] == {"labels": {"app": "web"}}
