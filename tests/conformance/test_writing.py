"""Creates and updates: what is refused, and what writers that race each other may count on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asking import MERGE, Answer, Api

RACERS = 8
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def race(write: Callable[[int], Answer]) -> list[Answer]:
    """Let all write at once."""
    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(write, range(RACERS)))


def codes(answers: list[Answer]) -> list[int]:
    return sorted(answer.code for answer in answers)


@pytest.fixture
def one(api: Api, config_maps: str) -> str:
    made = api.post(config_maps, {"metadata": {"name": "one"}, "data": {"a": "1"}})
    assert made.code == 201
    return f"{config_maps}/one"


def test_a_new_object_has_no_version_of_its_own(api: Api, config_maps: str) -> None:
    refused = api.post(config_maps, {"metadata": {"name": "a", "resourceVersion": "5"}})
    assert (refused.code, refused.message) == (500, "resourceVersion should not be set on objects to be created")
    assert api.get(f"{config_maps}/a").code == 404


def test_a_new_object_has_a_name(api: Api, config_maps: str) -> None:
    refused = api.post(config_maps, {"metadata": {}})
    assert (refused.code, refused.causes) == (422, [("FieldValueRequired", "metadata.name")])


def test_a_patch_whose_resource_version_is_null_is_one_without(api: Api, one: str) -> None:
    patched = api.patch(one, {"metadata": {"resourceVersion": None}, "data": {"a": "2"}}, MERGE)
    assert (patched.code, patched.body["data"]) == (200, {"a": "2"})


def test_of_updates_from_one_version_exactly_one_wins(api: Api, one: str) -> None:
    read = api.get(one).body
    answers = race(lambda number: api.put(one, {**read, "data": {"a": str(number)}}))
    assert codes(answers) == [200] + [409] * (RACERS - 1)
    (winner,) = (answer for answer in answers if answer.code == 200)
    assert api.get(one).body["data"] == winner.body["data"]


def test_updates_without_a_version_all_happen(api: Api, one: str) -> None:
    body: dict[str, Any] = {"metadata": {"name": "one"}}
    answers = race(lambda number: api.put(one, {**body, "data": {"a": str(number)}}))
    assert codes(answers) == [200] * RACERS
    last = max(answers, key=lambda answer: int(answer.body["metadata"]["resourceVersion"]))
    assert api.get(one).body["data"] == last.body["data"]


def test_patches_of_different_fields_lose_none(api: Api, one: str) -> None:
    answers = race(lambda number: api.patch(one, {"data": {f"k{number}": "x"}}, MERGE))
    assert codes(answers) == [200] * RACERS
    assert api.get(one).body["data"] == {"a": "1", **{f"k{number}": "x" for number in range(RACERS)}}


def test_of_creates_of_one_name_exactly_one_wins(api: Api, config_maps: str) -> None:
    answers = race(lambda number: api.post(config_maps, {"metadata": {"name": "new"}, "data": {"by": str(number)}}))
    assert codes(answers) == [201] + [409] * (RACERS - 1)
    assert {answer.reason for answer in answers if answer.code == 409} == {"AlreadyExists"}


def test_creates_with_generated_names_all_happen(api: Api, config_maps: str) -> None:
    answers = race(lambda _: api.post(config_maps, {"metadata": {"generateName": "g-"}}))
    assert codes(answers) == [201] * RACERS
    assert len({answer.body["metadata"]["name"] for answer in answers}) == RACERS


def test_applies_of_several_managers_share_what_they_create(api: Api, config_maps: str) -> None:
    path = f"{config_maps}/shared"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}}
    answers = race(lambda number: api.apply(path, {**body, "data": {f"k{number}": "x"}}, f"manager-{number}"))
    assert codes(answers) == [200] * (RACERS - 1) + [201]
    assert len(api.get(path).body["data"]) == RACERS


def test_of_deletions_of_one_object_exactly_one_wins(api: Api, one: str) -> None:
    assert codes(race(lambda _: api.delete(one))) == [200] + [404] * (RACERS - 1)


@pytest.fixture
def statusless(api: Api, namespace: str) -> Iterator[str]:
    """The path of an object whose kind has no sub-resources."""
    group = f"{namespace}.example.org"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "plains", "singular": "plain", "kind": "Plain", "listKind": "PlainList"}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [version]}
    assert api.post(CRDS, {"metadata": {"name": f"plains.{group}"}, "spec": spec}).code == 201
    path = f"/apis/{group}/v1/namespaces/{namespace}/plains"
    api.until(lambda: api.get(path).code, lambda code: code == 200)
    body = {"apiVersion": f"{group}/v1", "kind": "Plain", "metadata": {"name": "a"}, "status": {"phase": "1"}}
    assert api.post(path, body).code == 201
    yield f"{path}/a"
    api.delete(f"{CRDS}/plains.{group}")


def test_without_a_status_subresource_the_status_is_a_field_like_any_other(api: Api, statusless: str) -> None:
    assert api.get(statusless).body["status"] == {"phase": "1"}
    assert api.patch(statusless, {"status": {"phase": "2"}}).body["status"] == {"phase": "2"}
    missing = api.patch(f"{statusless}/status", {"status": {"phase": "3"}})
    assert (missing.code, missing.reason) == (404, "NotFound")


@pytest.fixture
def pod(api: Api, namespace: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [{"name": "main", "image": "nginx"}], "schedulerName": "nobody"}
    assert api.post(path, {"metadata": {"name": "a"}, "spec": spec}).code == 201
    return f"{path}/a"


def test_an_eviction_deletes_its_pod(api: Api, pod: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    assert api.post(f"{pod}/eviction", body, dryRun="All").code == 201
    assert api.get(pod).code == 200
    assert api.post(f"{pod}/eviction", body).code == 201
    api.until(lambda: api.get(pod).code, lambda code: code == 404)
    assert api.post(f"{pod}/eviction", body).code == 404


def test_a_service_account_gets_a_token_that_it_can_use(api: Api, namespace: str) -> None:
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    assert api.post(account, {"metadata": {"name": "robot"}}).code == 201
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    given = api.post(f"{account}/robot/token", asked)
    assert given.code == 201
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    who = api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review, token=given.body["status"]["token"])
    assert who.body["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:robot"
    assert api.post(f"{account}/nobody/token", asked).code == 404
