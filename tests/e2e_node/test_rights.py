"""What each program may do is what it does: looked at when everything else has run."""

import os
from pathlib import Path

import pytest
from audit_rights import compare, read, shipped_rights

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "manifests" / "base" / "rbac", ROOT / "manifests" / "overlays" / "dev"]


def test_no_request_was_forbidden_and_no_granted_verb_is_unused(cluster):
    audit_log = os.environ.get("KAITO_AUDIT_LOG")
    if audit_log is None:
        pytest.skip("KAITO_AUDIT_LOG does not name the API server's audit log")
    report = compare(shipped_rights(FOLDERS), read(Path(audit_log)))
    assert not report.forbidden
    assert not report.unused, "\n".join(map(str, report.unused))
