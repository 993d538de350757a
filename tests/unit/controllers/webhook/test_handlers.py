"""What is answered about a Workspace: by the rules, and by what it was before."""

import copy

import pytest

from kaito.controllers.webhook.handlers import WorkspaceAdmission
from kaito.controllers.workspace.rules import Catalogue
from kaito.core.admission import AdmissionRequest
from kaito.presets import load_presets, load_skus

ADMISSION = WorkspaceAdmission(Catalogue(load_presets(), load_skus()))
GOOD = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "metadata": {"name": "phi", "namespace": "team"},
    "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "phi"}}},
    "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
}


def changed(**changes):
    return {**copy.deepcopy(GOOD), **changes}


UNKNOWN = changed(inference={"preset": {"name": "phi-3-mini-4k-instrct"}})
PLACEHOLDER = changed(
    inference={
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "adapters": [{"source": {"name": "a", "image": "ACR_REPO_HERE.azurecr.io/a:1"}, "strength": "1"}],
    }
)


async def verdict(obj, old=None):
    operation = "CREATE" if old is None else "UPDATE"
    return await ADMISSION.validate(AdmissionRequest("u", operation, object=obj, old_object=old))


async def test_a_good_one_passes_without_a_word():
    assert await verdict(GOOD) == await verdict(GOOD, GOOD)
    assert (await verdict(GOOD)).allowed
    assert (await verdict(GOOD)).warnings == ()


async def test_a_fault_is_refused_with_reason_field_and_remedy():
    said = await verdict(UNKNOWN)
    assert not said.allowed
    (cause,) = said.causes
    assert (cause.reason, cause.field) == ("UnknownPreset", "inference.preset.name")
    assert "phi-3-mini-4k-instruct" in cause.message
    assert cause.message in said.message


async def test_what_the_examples_leave_to_fill_in_is_warned_about():
    said = await verdict(PLACEHOLDER)
    assert said.allowed
    assert any("ACR_REPO_HERE" in warning for warning in said.warnings)


async def test_an_update_is_not_refused_for_what_was_wrong_before():
    assert (await verdict(UNKNOWN, UNKNOWN)).allowed
    assert not (await verdict(UNKNOWN, GOOD)).allowed


async def test_what_is_being_deleted_passes_whatever_is_wrong_with_it():
    metadata = {**GOOD["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": []}
    assert (await verdict({**UNKNOWN, "metadata": metadata}, GOOD)).allowed


async def test_a_status_that_somebody_broke_is_not_held_against_a_new_spec():
    assert (await verdict({**GOOD, "status": {"conditions": "none"}}, {**GOOD, "status": 3})).allowed


async def test_an_object_that_cannot_be_read_is_refused_with_the_field():
    said = await verdict(changed(resource={"labelSelector": {}, "count": "two"}))
    assert [cause.field for cause in said.causes] == ["resource.count"]


async def test_an_old_object_that_cannot_be_read_excuses_nothing():
    broken = changed(resource=3)
    assert (await verdict(GOOD, broken)).allowed
    assert not (await verdict(UNKNOWN, broken)).allowed


@pytest.mark.parametrize("obj", [None, {"metadata": {}}])
async def test_a_request_without_a_workspace_changes_nothing(obj):
    said = await ADMISSION.mutate(AdmissionRequest("u", "CREATE", object=obj))
    assert (said.allowed, said.patch) == (True, ())
