"""What each component may do is what it does: compared when everything else has run."""

import os
from pathlib import Path

import pytest
from audit_rights import compare, enforced, read, shipped_rights
from cluster import ROOT, Cluster

FOLDERS = [ROOT / "manifests" / "base" / "rbac", ROOT / "manifests" / "local-node"]


def test_no_request_was_forbidden_and_no_granted_verb_is_unused(cluster: Cluster) -> None:
    """Source of the rule: least privilege, checked in both directions on a server that enforces roles."""
    audit_log = os.environ.get("KAITO_AUDIT_LOG")
    if audit_log is None:
        pytest.skip("the API server enforces no roles, or its audit log is not at hand")
    rights = shipped_rights(FOLDERS)
    report = compare(rights, read(Path(audit_log)))
    assert not report.forbidden
    assert not report.unused, "\n".join(map(str, report.unused))
    assert len(report.used) == len(rights)


def test_no_component_does_on_the_embedded_server_what_its_role_would_not_allow(cluster: Cluster) -> None:
    audit_log = cluster.directory / "logs" / "audit.log"
    if not audit_log.is_file():
        pytest.skip("the API server is not the embedded one")
    rights = shipped_rights(FOLDERS)
    report = compare(rights, enforced(rights, read(audit_log)))
    assert not report.forbidden
    assert report.used
