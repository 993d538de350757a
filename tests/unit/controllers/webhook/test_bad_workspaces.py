"""The webhook's answer to every row of the table that only the rules know, and to every edit of what is fixed."""

from typing import Any

import pytest
from bad_workspaces import EDITS, JUDGED

from kaito.controllers.options import HUB
from kaito.controllers.webhook.handlers import WorkspaceAdmission
from kaito.controllers.workspace.rules import Catalogue
from kaito.core.admission import AdmissionRequest, Verdict
from kaito.presets import load_presets, load_skus

ADMISSION = WorkspaceAdmission(Catalogue(load_presets(), load_skus(), HUB))


async def verdict(obj: dict[str, Any], old: dict[str, Any] | None = None) -> Verdict:
    operation = "CREATE" if old is None else "UPDATE"
    return await ADMISSION.validate(AdmissionRequest("u", operation, object=obj, old_object=old))


@pytest.mark.parametrize("case", JUDGED)
async def test_a_bad_workspace_is_refused_or_warned_about(case: str) -> None:
    row = JUDGED[case]
    said = await verdict(row.workspace())
    assert said.allowed != row.refused
    if row.refused:
        told = [cause.message for cause in said.causes if (cause.field, cause.reason) == (row.field, row.reason)]
        assert any(row.says in text for text in told), said
        assert row.field in said.message
    else:
        assert any(row.says in text for text in said.warnings), said


@pytest.mark.parametrize("case", EDITS)
async def test_an_edit_of_what_is_fixed_is_refused(case: str) -> None:
    row = EDITS[case]
    said = await verdict(row.after(), row.before())
    assert not said.allowed
    assert (row.field, "FieldImmutable") in [(cause.field, cause.reason) for cause in said.causes]
