"""Bad Workspaces: no API server takes one that schema and CEL know to be wrong, and each says where and what to do."""

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import Api
from bad_workspaces import EDITS, JUDGED, LIMITS, STRUCTURE, edited
from bad_workspaces.mutations import SEED, plausible, workspaces
from bad_workspaces.row import GOOD
from definitions import defined
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from kaito.api.crd import crds
from kaito.apiserver import metadata
from kaito.apiserver.custom import resources_of

NAME = "workspaces.kaito.sh"
[DEFINITION] = [crd for crd in crds() if crd["metadata"]["name"] == NAME]
RESOURCE = resources_of(DEFINITION)[0]
SCHEMA = RESOURCE.schema
EXAMPLES = sorted(
    path for path in (Path(__file__).parents[2] / "examples").rglob("*.yaml") if "kind: Workspace" in path.read_text()
)


@pytest.fixture(scope="module")
def installed(api: Api) -> Iterator[None]:
    """Our CRD, if nobody has put it there before; one that was there stays."""
    with defined(api, DEFINITION):
        yield


def path_of(namespace: str, version: str = "v1beta1") -> str:
    return f"/apis/kaito.sh/{version}/namespaces/{namespace}/workspaces"


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
@pytest.mark.parametrize("case", STRUCTURE)
def test_a_bad_workspace_is_refused_with_its_field(installed: None, api: Api, case: str, version: str) -> None:
    row = STRUCTURE[case]
    answer = api.post(path_of("default", version), row.workspace(version), dryRun="All")
    assert (answer.code, answer.reason) == (422, "Invalid"), answer.body
    told = [
        cause["message"]
        for cause in answer.body["details"]["causes"]
        if (cause["reason"], cause["field"]) == (row.cause, row.field)
    ]
    assert any(row.says in message for message in told), answer.body["details"]["causes"]


@pytest.mark.parametrize("case", EDITS)
def test_a_bad_edit_is_refused_with_its_field(installed: None, api: Api, namespace: str, case: str) -> None:
    row = EDITS[case]
    path = path_of(namespace)
    assert api.post(path, row.before()).code == 201
    answer = api.put(f"{path}/good", {**row.after(), "metadata": api.get(f"{path}/good").body["metadata"]})
    assert (answer.code, answer.reason) == (422, "Invalid"), answer.body
    told = [cause["message"] for cause in answer.body["details"]["causes"] if cause["field"] == row.field]
    assert any(row.says in message for message in told), answer.body["details"]["causes"]


@pytest.mark.parametrize("good", GOOD)
@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_a_good_workspace_is_taken(installed: None, api: Api, good: str, version: str) -> None:
    answer = api.post(path_of("default", version), {**GOOD[good], "apiVersion": f"kaito.sh/{version}"}, dryRun="All")
    assert answer.code == 201, answer.body


@pytest.mark.parametrize("case", LIMITS)
def test_a_workspace_at_a_limit_is_taken(installed: None, api: Api, case: str) -> None:
    answer = api.post(path_of("default"), edited(*LIMITS[case]), dryRun="All", fieldValidation="Strict")
    assert answer.code == 201, answer.body


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_is_taken_as_it_is(installed: None, api: Api, path: Path) -> None:
    body = yaml.safe_load(path.read_text())
    version = body["apiVersion"].rpartition("/")[2]
    answer = api.post(path_of("default", version), body, dryRun="All", fieldValidation="Strict")
    assert answer.code == 201, answer.body


@pytest.mark.parametrize("case", JUDGED)
def test_what_only_the_rules_know_is_taken_without_a_webhook(installed: None, api: Api, case: str) -> None:
    answer = api.post(path_of("default"), JUDGED[case].workspace(), dryRun="All", fieldValidation="Strict")
    assert answer.code == 201, answer.body


NO_OBJECT: dict[str, tuple[dict[str, Any], str]] = {
    "a number for a name": ({"metadata": {"name": 5}}, ""),
    "a list of labels": ({"metadata": {"name": "good", "labels": ["a"]}}, ""),
    "a number as a label": ({"metadata": {"name": "good", "labels": {"a": 1}}}, ""),
    "an unknown field": ({"replicas": 1}, 'unknown field "replicas"'),
    "a spec, as other kinds have": ({"spec": {"inference": {}}}, 'unknown field "spec"'),
    "a misspelt field": (
        {"inference": {"preset": {"name": "falcon-7b", "acessMode": "public"}}},
        'unknown field "inference.preset.acessMode"',
    ),
    "a field of another place": (
        {"inference": {"preset": {"name": "falcon-7b"}, "instanceType": "x"}},
        'unknown field "inference.instanceType"',
    ),
    "a misspelt label selector": (
        {"resource": {**GOOD["inference"]["resource"], "labelSelectors": {}}},
        'unknown field "resource.labelSelectors"',
    ),
    "another group": ({"apiVersion": "apps/v1"}, "the API version in the data (apps/v1"),
}


@pytest.mark.parametrize("case", NO_OBJECT)
def test_what_is_no_workspace_is_a_bad_request(installed: None, api: Api, case: str) -> None:
    changes, said = NO_OBJECT[case]
    body = {**GOOD["inference"], **changes}
    answer = api.post(path_of("default"), body, dryRun="All", fieldValidation="Strict")
    assert (answer.code, answer.reason) == (400, "BadRequest"), answer.body
    assert said in answer.message


GENERATED = 200


def by_itself(document: dict[str, Any]) -> tuple[int, set[tuple[str, str]]]:
    """Return the code and causes that the embedded server's schema gives, without a server."""
    document = copy.deepcopy(document)
    SCHEMA.prune(document)
    errors = SCHEMA.validate(SCHEMA.default(document), None, metadata.validate(document, RESOURCE))
    return (422 if errors else 201), {(error.cause.value, error.field) for error in errors}


def test_generated_workspaces_are_judged_alike(installed: None, api: Api) -> None:
    """Real and embedded server find the same fields wrong, for the same causes."""
    print(f"seed {SEED}")

    @seed(SEED)
    @settings(max_examples=GENERATED, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(document=workspaces(), version=st.sampled_from(["v1alpha1", "v1beta1"]))
    def each(document: dict[str, Any], version: str) -> None:
        document = {**document, "apiVersion": f"kaito.sh/{version}"}
        answer = api.post(path_of("default", version), document, dryRun="All")
        if answer.code == 400:
            return  # metadata that is none
        assert (answer.code, set(answer.causes)) == by_itself(document), answer.body

    each()


def test_a_workspace_is_the_same_in_both_versions(installed: None, api: Api, namespace: str) -> None:
    """Whatever is written in one version is read, edited and read again through the other, and nothing is lost."""
    print(f"seed {SEED}")
    alpha, beta = (path_of(namespace, version) for version in ("v1alpha1", "v1beta1"))
    numbers = itertools.count()

    @seed(SEED)
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(document=plausible(), turned=st.booleans())
    def each(document: dict[str, Any], turned: bool) -> None:
        first, second = (beta, alpha) if turned else (alpha, beta)
        name = f"{str(document['metadata'].get('name', ''))[:40]}-{next(numbers)}"
        version = "v1beta1" if turned else "v1alpha1"
        body = {**document, "apiVersion": f"kaito.sh/{version}", "metadata": {**document["metadata"], "name": name}}
        made = api.post(first, body)
        if made.code != 201:
            return
        there = api.get(f"{second}/{name}").body
        assert there["apiVersion"] != made.body["apiVersion"]
        assert without_version(there) == without_version(made.body)
        there["metadata"].setdefault("labels", {})["seen"] = "yes"
        assert api.put(f"{second}/{name}", there).code == 200
        back = api.get(f"{first}/{name}").body
        assert back["metadata"]["labels"].pop("seen") == "yes"
        assert without_version(back) == without_version(made.body)
        for part in ("resource", "inference"):
            assert contains(back[part], document[part])

    each()


def without_version(obj: dict[str, Any]) -> dict[str, Any]:
    """An object without what each write or version says anew."""
    metadata = {
        key: value
        for key, value in obj["metadata"].items()
        if key not in ("resourceVersion", "managedFields", "generation") and value
    }
    return {**obj, "apiVersion": "", "metadata": metadata}


def contains(whole: Any, part: Any) -> bool:
    """Whether all that was asked for is there, beside defaults."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)
