"""Who calls, and what they may do."""

import base64
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from kaito.apiserver.authorization import Action, may, refusal, rules
from kaito.apiserver.identity import ADMINISTRATOR, Identities, Identity
from kaito.apiserver.store import Store
from kaito.core.errors import ApiError
from kaito.core.objects import Key
from kaito.testing import VirtualClock

ROBOT = {"metadata": {"name": "robot", "namespace": "n", "uid": "u1"}}
POD = {"metadata": {"name": "p", "namespace": "n", "uid": "p1"}}


@pytest.fixture
def store() -> Store:
    made = Store(None, history_limit=10)
    made.put("serviceaccounts", Key("n", "robot"), {**ROBOT, "apiVersion": "v1", "kind": "ServiceAccount"})
    made.put("pods", Key("n", "p"), {**POD, "apiVersion": "v1", "kind": "Pod"})
    return made


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(start=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture
def identities(store: Store, clock: VirtualClock) -> Identities:
    return Identities(store, "secret", clock, random.Random(1))


def token(identities: Identities, **spec: Any) -> str:
    return str(identities.answer_token_request(ROBOT, {"spec": spec})["status"]["token"])


def known(identities: Identities, text: str) -> bool:
    try:
        return bool(identities.of(f"Bearer {text}"))
    except ApiError:
        return False


def test_the_servers_own_token_is_the_administrators(identities: Identities) -> None:
    assert identities.of("Bearer secret") == ADMINISTRATOR
    assert identities.of("bearer  secret ") == ADMINISTRATOR


@pytest.mark.parametrize(
    "header", ["", "secret", "Basic secret", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer é.é.é"]
)
def test_nobody_else_is_known(identities: Identities, header: str) -> None:
    with pytest.raises(ApiError) as refused:
        identities.of(header)
    assert refused.value.code == 401


def test_a_token_is_its_service_account(identities: Identities) -> None:
    who = identities.of(f"Bearer {token(identities)}")
    assert who.username == "system:serviceaccount:n:robot"
    assert who.groups == ("system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated")


async def test_a_token_ends_with_its_time(identities: Identities, clock: VirtualClock) -> None:
    text = token(identities, expirationSeconds=600)
    await clock.advance(599)
    assert known(identities, text)
    await clock.advance(1)
    assert not known(identities, text)


def test_a_token_ends_with_its_account_even_when_another_takes_the_name(identities: Identities, store: Store) -> None:
    text = token(identities)
    store.put("serviceaccounts", Key("n", "robot"), {"metadata": {**ROBOT["metadata"], "uid": "u2"}})
    assert not known(identities, text)
    store.remove("serviceaccounts", Key("n", "robot"), ROBOT)
    assert not known(identities, text)


def test_a_token_ends_with_the_pod_that_it_is_bound_to(identities: Identities, store: Store) -> None:
    text = token(identities, boundObjectRef={"kind": "Pod", "name": "p", "uid": "p1"})
    assert known(identities, text)
    store.remove("pods", Key("n", "p"), POD)
    assert not known(identities, text)


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ({"kind": "Pod", "name": "gone"}, 404),
        ({"kind": "Pod", "name": "p", "uid": "other"}, 409),
        ({"kind": "Node", "name": "p"}, 400),
    ],
)
def test_a_token_is_bound_to_a_pod_that_is_there(identities: Identities, reference: Any, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        token(identities, boundObjectRef=reference)
    assert refused.value.code == code


def test_a_token_for_others_is_none_for_this_server(identities: Identities) -> None:
    assert not known(identities, token(identities, audiences=["vault"]))


def test_a_changed_token_is_none(identities: Identities) -> None:
    header, claims, signature = token(identities).split(".")
    wanted = json.loads(base64.urlsafe_b64decode(claims + "=="))
    wanted["kubernetes.io"]["serviceaccount"]["name"] = "admin"
    forged = base64.urlsafe_b64encode(json.dumps(wanted).encode()).decode().rstrip("=")
    assert not known(identities, f"{header}.{forged}.{signature}")


def test_another_servers_token_is_none(identities: Identities, store: Store, clock: VirtualClock) -> None:
    assert not known(Identities(store, "other", clock, random.Random(1)), token(identities))


@pytest.mark.parametrize(("seconds", "code"), [(599, 422), (2**32 + 1, 422), ("600", 400), (True, 400)])
def test_a_life_has_limits(identities: Identities, seconds: Any, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        token(identities, expirationSeconds=seconds)
    assert refused.value.code == code


ANYONE = Identity("system:serviceaccount:n:robot", ("system:authenticated",))


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        (Action("create", "authorization.k8s.io", "selfsubjectaccessreviews"), True),
        (Action("create", "authentication.k8s.io", "selfsubjectreviews"), True),
        (Action("get", path="/apis/apps/v1"), True),
        (Action("get", path="/openapi/v3"), True),
        (Action("get", path="/metrics"), False),
        (Action("post", path="/api"), False),
        (Action("get", "", "pods", "n"), False),
        (Action("get", "", "secrets", "n", "key"), False),
        (Action("get", "", "pods/log", "n", "p"), False),
        (Action("create", "", "serviceaccounts/token", "n", "robot"), False),
    ],
)
def test_who_is_no_administrator_may_ask_and_no_more(action: Action, allowed: bool) -> None:
    assert may(ANYONE, action) is allowed
    assert may(ADMINISTRATOR, action)


@pytest.mark.parametrize(
    ("action", "subject", "rest"),
    [
        (
            Action("get", "apps", "deployments/scale", "n", "web"),
            'deployments.apps "web" is forbidden',
            'get resource "deployments/scale" in API group "apps" in the namespace "n"',
        ),
        (
            Action("list", "", "nodes"),
            "nodes is forbidden",
            'list resource "nodes" in API group "" at the cluster scope',
        ),
        (Action("get", path="/metrics"), "forbidden", 'get path "/metrics"'),
    ],
)
def test_a_refusal_names_user_verb_and_place(action: Action, subject: str, rest: str) -> None:
    assert refusal(ANYONE, action).message == f'{subject}: User "system:serviceaccount:n:robot" cannot {rest}'


def test_the_rules_are_what_is_allowed() -> None:
    assert rules(ADMINISTRATOR)["resourceRules"][0] == {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    for rule in rules(ANYONE)["resourceRules"]:
        assert may(ANYONE, Action(rule["verbs"][0], rule["apiGroups"][0], rule["resources"][0]))
