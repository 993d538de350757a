"""What is rendered for a Workspace that passes schema and rules: the API server takes every object of it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from asking import Api
from bad_workspaces.mutations import SEED, plausible
from definitions import defined
from hypothesis import HealthCheck, given, seed, settings

from kaito.api import Workspace
from kaito.api.crd import RESOURCES, crds
from kaito.apiserver.custom import resources_of
from kaito.controllers.options import HUB, Settings
from kaito.controllers.workspace import Snapshot
from kaito.controllers.workspace.claims import machine_manifest
from kaito.controllers.workspace.render import render
from kaito.controllers.workspace.rules import Catalogue, findings, plan_findings
from kaito.presets import load_presets, load_skus

CATALOGUE = Catalogue(load_presets(), load_skus(), HUB)
SCHEMA = {crd["metadata"]["name"]: resources_of(crd)[0].schema for crd in crds()}[RESOURCES[0].crd_name]
MACHINES = "machines.karpenter.sh"
PATHS = {
    "Machine": "/apis/karpenter.sh/v1alpha5/machines",
    "Service": "/api/v1/namespaces/default/services",
    "ConfigMap": "/api/v1/namespaces/default/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/default/deployments",
}


@pytest.fixture(scope="module")
def installed(api: Api) -> Iterator[None]:
    """The CRD of Machines, if nobody has put it there before."""
    [definition] = [crd for crd in crds() if crd["metadata"]["name"] == MACHINES]
    with defined(api, definition):
        yield


def manifests(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything but the Secret; nothing for a Workspace that ends before anything is bought."""
    metadata = {"namespace": "default", "uid": "11111111-2222-3333-4444-555555555555", **document["metadata"]}
    document = {**document, "metadata": metadata}
    SCHEMA.prune(document)
    if SCHEMA.validate(document := SCHEMA.default(document)):
        return []
    workspace = Workspace.model_validate(document)
    plan, _ = plan_findings(workspace, CATALOGUE)
    if plan is None or any(finding.terminal for finding in findings(workspace, CATALOGUE)):
        return []
    snapshot = Snapshot(workspace, Settings(weights=HUB), CATALOGUE.presets, CATALOGUE.skus)
    return [machine_manifest(workspace, plan, 0), *render(replace(snapshot, plan=plan))]


def test_what_is_rendered_for_a_good_workspace_is_taken(installed: None, api: Api) -> None:
    print(f"seed {SEED}")
    taken = 0

    @seed(SEED)
    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(document=plausible())
    def each(document: dict[str, Any]) -> None:
        nonlocal taken
        for obj in manifests(document):
            answer = api.post(PATHS[obj["kind"]], obj, dryRun="All", fieldValidation="Strict")
            assert answer.code == 201, (answer.body, obj)
            taken += 1

    each()
    assert taken > 100, "too few pass: the test says nothing"
