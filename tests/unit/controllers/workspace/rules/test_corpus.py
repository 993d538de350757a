"""Every row of the table of bad Workspaces, judged by schema and CEL, by the rules, and by the controller alone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bad_workspaces import EDITS, JUDGED, STRUCTURE
from bad_workspaces.row import GOOD
from pydantic import ValidationError

from kaito.api import WORKSPACE_RESOURCE, Workspace
from kaito.api.schema import structural_schema
from kaito.apiserver.schema import FieldError, StructuralSchema
from kaito.controllers.options import HUB, Settings
from kaito.controllers.workspace import Snapshot, decide
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules import Catalogue, Finding, findings, new_findings
from kaito.controllers.workspace.step import Create
from kaito.presets import load_presets, load_skus

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CATALOGUE = Catalogue(load_presets(), load_skus(), HUB)
SCHEMA = StructuralSchema.from_openapi(structural_schema(WORKSPACE_RESOURCE.model))
REMEDIES = (
    "must",
    "should",
    "may not",
    "supported values",
    "Required value",
    "make a new",
    "needs",
    "exactly one",
    "remove",
)
"""What an API server's message says to do: each of them names the form that is right."""


def placed(document: dict[str, Any]) -> dict[str, Any]:
    """An object as it is stored: with its namespace and defaults."""
    metadata = {"namespace": "team", "uid": "11111111-2222-3333-4444-555555555555", **document["metadata"]}
    return SCHEMA.default({**document, "metadata": metadata})


def read(document: dict[str, Any]) -> Workspace:
    return Workspace.model_validate(placed(document))


def wrong(document: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
    return SCHEMA.validate(placed(document), placed(old) if old is not None else None)


def buys(workspace: Workspace) -> bool:
    """Whether a controller that meets it, with no webhook before it, asks for a node."""
    snapshot = Snapshot(workspace, Settings(weights=HUB), CATALOGUE.presets, CATALOGUE.skus)
    return any(isinstance(action, Create) for action in decide(snapshot, NOW).actions)


def is_complete(finding: Finding) -> bool:
    """Whether it is all that its reader needs."""
    sentences = all(text[:1] != " " and text.endswith(".") for text in (finding.message, finding.remedy))
    return sentences and bool(finding.field) and finding.reason in set(Reason)


def test_there_are_more_than_three_hundred_of_them() -> None:
    assert len(STRUCTURE) + len(EDITS) + len(JUDGED) > 300
    assert len([row for row in JUDGED.values() if row.refused]) > 60


@pytest.mark.parametrize("good", GOOD)
def test_nothing_is_wrong_with_the_good_ones(good: str) -> None:
    assert wrong(GOOD[good]) == []
    assert wrong(GOOD[good], GOOD[good]) == []
    assert [finding for finding in findings(read(GOOD[good]), CATALOGUE) if finding.refused] == []


FIELDS = [case for case, row in STRUCTURE.items() if row.field != "metadata.labels" and "RFC 1123" not in row.says]


@pytest.mark.parametrize("case", FIELDS)
def test_schema_and_rules_name_the_field_and_what_is_right(case: str) -> None:
    row = STRUCTURE[case]
    if not row.workspace()["metadata"].get("name") or len(row.workspace()["metadata"]["name"]) > 253:
        return  # the metadata of every object: asked of the servers
    told = [
        str(error) for error in wrong(row.workspace()) if (error.cause.value, error.field) == (row.cause, row.field)
    ]
    assert any(row.says in text for text in told), wrong(row.workspace())
    assert any(remedy in text for text in told for remedy in REMEDIES), told


@pytest.mark.parametrize("case", STRUCTURE)
def test_a_controller_that_meets_one_all_the_same_goes_on(case: str) -> None:
    try:
        workspace = read(STRUCTURE[case].workspace())
    except ValidationError:
        return
    assert all(is_complete(finding) for finding in findings(workspace, CATALOGUE))
    buys(workspace)


CHOSEN = (
    "exactly one",
    "must differ",
    "must not be called",
    "at most 54",
    "-headless",
    "0 to 1",
    "model name",
    "must name",
)


@pytest.mark.parametrize("case", [case for case, row in STRUCTURE.items() if any(word in row.says for word in CHOSEN)])
def test_what_the_phases_build_on_is_refused_without_schema_or_webhook(case: str) -> None:
    try:
        workspace = read(STRUCTURE[case].workspace())
    except ValidationError:
        return
    assert not buys(workspace)
    assert any(finding.refused for finding in findings(workspace, CATALOGUE))


@pytest.mark.parametrize("case", JUDGED)
def test_the_rules_name_field_reason_and_remedy(case: str) -> None:
    row = JUDGED[case]
    assert wrong(row.workspace()) == [], "an API server knows that already"
    workspace = read(row.workspace())
    found = findings(workspace, CATALOGUE)
    assert all(is_complete(finding) for finding in found), found
    told = [finding for finding in found if (finding.field, finding.reason) == (row.field, row.reason)]
    assert [finding.refused for finding in told] == [row.refused], found
    assert row.says in told[0].text
    assert any(finding.refused for finding in found) == row.refused, found
    if told[0].terminal:
        assert not buys(workspace)


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_of_what_is_fixed_is_refused_with_its_field(case: str) -> None:
    row = EDITS[case]
    assert wrong(row.before()) == []
    errors = [str(error) for error in wrong(row.after(), row.before()) if error.field == row.field]
    assert any(row.says in text for text in errors), wrong(row.after(), row.before())
    found = new_findings(read(row.after()), read(row.before()), CATALOGUE)
    assert all(is_complete(finding) for finding in found), found
    assert [one.refused for one in found if (one.field, one.reason) == (row.field, "FieldImmutable")] == [True]


@pytest.mark.parametrize("case", JUDGED)
def test_what_was_wrong_before_stops_no_other_edit(case: str) -> None:
    before = JUDGED[case].workspace()
    labelled = {**before, "metadata": {**before["metadata"], "labels": {"tier": "x"}}}
    assert new_findings(read(labelled), read(before), CATALOGUE) == ()
