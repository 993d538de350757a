"""Generated Workspaces: none is answered by a crash; what passes can be rendered, and the API server takes it."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bad_workspaces.mutations import SEED, plausible, workspaces
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy
from prometheus_client import CollectorRegistry

from kaito.api import WORKSPACE_RESOURCE, Workspace
from kaito.api.crd import crds
from kaito.api.schema import structural_schema
from kaito.apiserver.schema import StructuralSchema
from kaito.controllers.options import HUB, Settings
from kaito.controllers.workspace import Snapshot, decide
from kaito.controllers.workspace.claims import machine_manifest
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.render import render
from kaito.controllers.workspace.rules import Catalogue, findings, new_findings, plan_findings
from kaito.core import Client, Object
from kaito.core.errors import KaitoError
from kaito.presets import load_presets, load_skus
from kaito.testing import FaultyTransport, InProcessServer, LoopClock, Luck, run

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CATALOGUE = Catalogue(load_presets(), load_skus(), HUB)
SCHEMA = StructuralSchema.from_openapi(structural_schema(WORKSPACE_RESOURCE.model))
SHORT, LONG = 150, 4_000

Judge = Callable[[dict[str, Any]], None]


def generated(judge: Judge, strategy: SearchStrategy[dict[str, Any]], examples: int, number: int) -> None:
    """Hand this many Workspaces to `judge`, the same for the same seed."""
    print(f"seed {number}")

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(document=strategy)
    def each(document: dict[str, Any]) -> None:
        judge(document)

    each()


def placed(document: dict[str, Any]) -> dict[str, Any]:
    metadata = {"namespace": "team", "uid": "11111111-2222-3333-4444-555555555555", **document["metadata"]}
    copied = {**document, "metadata": metadata}
    SCHEMA.prune(copied)
    return SCHEMA.default(copied)


def has_a_name(document: dict[str, Any]) -> bool:
    """Whether the metadata is such that an API server hands it on."""
    metadata = document["metadata"]
    return isinstance(metadata.get("name"), str) and all(
        isinstance(metadata.get(field, {}), dict)
        and all(isinstance(value, str) for value in metadata.get(field, {}).values())
        for field in ("labels", "annotations")
    )


def is_judged(document: dict[str, Any]) -> None:
    """Schema and rules answer, with field and words; the controller goes on with what the schema let pass."""
    if not has_a_name(document):
        return
    whole = placed(document)
    errors = SCHEMA.validate(whole)
    assert all(error.field and str(error) for error in errors)
    if errors:
        return
    workspace = Workspace.model_validate(whole)
    found = findings(workspace, CATALOGUE)
    assert all(one.field and one.message and one.remedy and one.reason in set(Reason) for one in found)
    assert new_findings(workspace, workspace, CATALOGUE) == ()
    decide(snapshot_of(workspace), NOW)


def snapshot_of(workspace: Workspace) -> Snapshot:
    return Snapshot(workspace, Settings(weights=HUB), CATALOGUE.presets, CATALOGUE.skus)


def is_servable(document: dict[str, Any]) -> Workspace | None:
    if not has_a_name(document) or SCHEMA.validate(whole := placed(document)):
        return None
    workspace = Workspace.model_validate(whole)
    return None if any(one.terminal for one in findings(workspace, CATALOGUE)) else workspace


def manifests(workspace: Workspace) -> list[Object]:
    """All that is written for a Workspace, but for its Secret."""
    plan, _ = plan_findings(workspace, CATALOGUE)
    assert plan is not None
    return [machine_manifest(workspace, plan, 0), *render(replace(snapshot_of(workspace), plan=plan))]


def are_taken(rendered: list[list[Object]]) -> None:
    """The embedded API server creates all of them, as a dry run."""

    async def main() -> None:
        async with InProcessServer.start(LoopClock()) as server:
            transport = FaultyTransport(
                Luck(), server.connection_settings, LoopClock(), "test", CollectorRegistry(), server.connector
            )
            client = Client(transport, field_manager="test")
            try:
                await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
                for crd in crds():
                    await client.create(crd)
                for objects in rendered:
                    for obj in objects:
                        await _taken(client, obj)
            finally:
                await client.close()

    run(main())


async def _taken(client: Client, obj: Object) -> None:
    try:
        await client.create(obj, dry_run=True)
    except KaitoError as error:
        raise AssertionError(f"{error}\n{obj}") from error


def test_every_generated_workspace_is_judged_without_a_crash() -> None:
    generated(is_judged, workspaces(), SHORT, SEED)


@pytest.mark.soak
def test_very_many_generated_workspaces_are_judged_without_a_crash() -> None:
    generated(is_judged, workspaces(), LONG, random.SystemRandom().getrandbits(32))


def rendered_of(examples: int, number: int) -> list[list[Object]]:
    found: list[list[Object]] = []

    def judge(document: dict[str, Any]) -> None:
        if (workspace := is_servable(document)) is not None:
            found.append(manifests(workspace))

    generated(judge, plausible(), examples, number)
    return found


def test_what_passes_schema_and_rules_renders_to_what_the_api_server_takes() -> None:
    rendered = rendered_of(SHORT, SEED)
    assert len(rendered) > SHORT / 5, "too few pass: the test says nothing"
    are_taken(rendered)


@pytest.mark.soak
def test_very_many_that_pass_render_to_what_the_api_server_takes() -> None:
    are_taken(rendered_of(LONG, random.SystemRandom().getrandbits(32)))
