"""The comparison of granted rights with an audit log."""

from pathlib import Path
from typing import Any

import pytest
from audit_rights import Right, compare, enforced, granted, read

ACCOUNT = "kaito-system:kaito-controller"
ROLE = {
    "kind": "ClusterRole",
    "metadata": {"name": "role"},
    "rules": [{"apiGroups": ["", "apps"], "resources": ["pods/status"], "verbs": ["patch"]}],
}
BINDING = {
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "binding"},
    "roleRef": {"kind": "ClusterRole", "name": "role"},
    "subjects": [{"kind": "ServiceAccount", "namespace": "kaito-system", "name": "kaito-controller"}],
}
CREATE = Right(ACCOUNT, "apps", "deployments", "create")
PATCH = Right(ACCOUNT, "apps", "deployments", "patch")


def event(verb: str, code: int = 200, account: str = ACCOUNT, **about: str) -> dict[str, Any]:
    reference = {"apiGroup": "apps", "resource": "deployments", **about}
    user = {"username": f"system:serviceaccount:{account}"}
    return {"verb": verb, "user": user, "objectRef": reference, "responseStatus": {"code": code}, "requestURI": "/x"}


def test_a_role_grants_each_verb_on_each_resource_of_each_group() -> None:
    assert granted([BINDING, ROLE]) == {
        Right(ACCOUNT, "", "pods/status", "patch"),
        Right(ACCOUNT, "apps", "pods/status", "patch"),
    }


def test_a_wildcard_is_refused() -> None:
    role = {**ROLE, "rules": [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}]}
    with pytest.raises(ValueError, match="wildcard"):
        granted([BINDING, role])


def test_a_verb_that_nobody_used_is_named() -> None:
    report = compare({CREATE, PATCH}, [event("patch")])
    assert report.unused == [CREATE]
    assert not report.right


def test_an_apply_that_made_the_object_used_create_too() -> None:
    report = compare({CREATE, PATCH}, [event("patch", code=201)])
    assert report.right
    assert report.used == {CREATE: 1, PATCH: 1}


def test_a_streamed_list_used_the_right_to_list_too() -> None:
    listing, watching = (Right(ACCOUNT, "apps", "deployments", verb) for verb in ("list", "watch"))
    streamed = {**event("watch"), "requestURI": "/x?sendInitialEvents=true&watch=true"}
    assert compare({listing, watching}, [streamed]).right
    assert compare({listing, watching}, [event("watch")]).unused == [listing]


def test_what_came_too_late_for_its_namespace_was_not_forbidden() -> None:
    late = event("create", code=403)
    late["responseStatus"]["details"] = {"causes": [{"reason": "NamespaceTerminating"}]}
    assert compare({CREATE}, [late]).right


def test_a_forbidden_request_is_named_though_the_verb_was_granted() -> None:
    report = compare({PATCH}, [event("patch"), event("patch", code=403)])
    assert not report.right
    assert report.forbidden == [f"{ACCOUNT}: patch deployments.apps (/x)"]


def test_a_request_to_a_subresource_is_not_one_to_the_object() -> None:
    assert compare({PATCH}, [event("patch", subresource="status")]).unused == [PATCH]


def test_requests_of_others_do_not_count() -> None:
    assert compare({PATCH}, [event("patch", account="kube-system:namespace-controller")]).unused == [PATCH]


def test_an_empty_log_is_not_right() -> None:
    assert not compare(set(), []).right


def of_program(name: str, verb: str) -> dict[str, Any]:
    return {**event(verb, account="nobody"), "user": {"username": "admin"}, "userAgent": name}


@pytest.mark.parametrize(
    ("program", "verb", "forbidden"),
    [
        ("kaito-controller", "patch", []),
        ("kaito-controller", "delete", [f"{ACCOUNT}: delete deployments.apps (/x)"]),
        ("kubectl", "delete", []),
    ],
)
def test_without_roles_a_program_is_held_to_those_of_its_name(program: str, verb: str, forbidden: list[str]) -> None:
    assert compare({PATCH}, enforced({PATCH}, [of_program(program, verb)])).forbidden == forbidden


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text('{"verb": "get"}\n{"verb": "li')
    assert list(read(tmp_path / "audit.log")) == [{"verb": "get"}]
