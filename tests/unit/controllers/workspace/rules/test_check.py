"""The rules together: what a new Workspace is told, and what an edit of one is."""

from typing import Any

import pytest
import yaml

from kaito.api import Workspace
from kaito.controllers.workspace.rules import Catalogue, findings, new_findings
from kaito.presets import load_presets, load_skus

CATALOGUE = Catalogue(load_presets(), load_skus(), weights="hub")

GOOD = """
metadata: {name: phi, namespace: team}
resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: phi-3}}}
inference: {preset: {name: phi-3-mini-4k-instruct}}
"""


def workspace(**inference: Any) -> Workspace:
    document = yaml.safe_load(GOOD)
    document["inference"] |= inference
    return Workspace.model_validate(document)


def adapter(name: str) -> dict[str, Any]:
    return {"source": {"name": name, "image": f"registry.example.org/{name}:1"}}


def test_a_good_workspace_is_told_nothing() -> None:
    assert findings(workspace(), CATALOGUE) == ()


def test_a_fault_that_was_there_does_not_stop_another_edit() -> None:
    before = workspace(preset={"name": "phi-3-mini-4k-instrct"})
    after = workspace(preset={"name": "phi-3-mini-4k-instrct"}, config="mine")
    assert [one.reason for one in findings(after, CATALOGUE)] == ["UnknownPreset"]
    assert new_findings(after, before, CATALOGUE) == ()


def test_a_fault_that_an_edit_brings_is_told() -> None:
    after = workspace(adapters=[adapter("X_HERE")])
    assert "inference.adapters[0].source.image" in [one.field for one in new_findings(after, workspace(), CATALOGUE)]


def test_a_fault_that_only_moved_in_its_list_is_the_same() -> None:
    before = workspace(adapters=[adapter("x"), adapter("Y_HERE")])
    assert new_findings(workspace(adapters=[adapter("Y_HERE")]), before, CATALOGUE) == ()


@pytest.mark.parametrize("deleted", ["2026-01-02T03:00:00Z"])
def test_a_workspace_that_is_being_deleted_is_never_held(deleted: str) -> None:
    after = workspace(preset={"name": "none"})
    going = after.model_copy(update={"metadata": after.metadata.model_copy(update={"deletion_timestamp": deleted})})
    assert new_findings(going, workspace(), CATALOGUE) == ()
