"""What an apply sends, and when it is left out."""

import base64

import pytest

from kaito.core.client.apply import APPLIED_ANNOTATION, desired_object, digest, is_applied, marked

OWNER = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "o", "uid": "u1"}}


def config_map(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


def applied(obj):
    desired = desired_object(obj, None, "")
    return marked(desired, digest(desired, "me"))


def test_the_caller_keeps_its_object_unchanged():
    mine = config_map(a="1")
    desired = desired_object(mine, OWNER, "")
    desired["data"]["a"] = "2"
    assert mine == config_map(a="1")


def test_the_owner_controls_and_stands_once():
    once = desired_object(config_map(), OWNER, "")
    twice = desired_object(once, OWNER, "")
    assert once["metadata"]["ownerReferences"] == twice["metadata"]["ownerReferences"]
    assert once["metadata"]["ownerReferences"][0]["controller"] is True


def test_the_text_of_a_secret_becomes_data():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"token": "x"}}
    desired = desired_object(secret, None, "")
    assert "stringData" not in desired
    assert base64.b64decode(desired["data"]["token"]) == b"x"


def test_the_digest_does_not_depend_on_the_order_of_fields():
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}, "me") == digest({"b": {"d": 3, "c": 2}, "a": 1}, "me")


@pytest.mark.parametrize(
    ("live", "wanted", "left_alone"),
    [
        (applied(config_map(a="1")), config_map(a="1"), True),
        (applied(config_map(a="1", b="2")), config_map(a="1"), False),  # b is no longer desired: the digest tells
        ({**applied(config_map(a="1")), "data": {"a": "edited"}}, config_map(a="1"), False),
        ({**applied(config_map(a="1")), "data": {"a": "1", "theirs": "x"}}, config_map(a="1"), True),
        (config_map(a="1"), config_map(a="1"), False),  # never applied by us
    ],
)
def test_an_object_is_left_alone_only_if_digest_and_content_agree(live, wanted, left_alone):
    desired = desired_object(wanted, None, "")
    assert is_applied(live, desired, digest(desired, "me")) is left_alone
    assert APPLIED_ANNOTATION not in desired["metadata"].get("annotations", {})
