"""What each component may do is what it does: compared when everything else has run."""

import os
from pathlib import Path

import pytest
import yaml
from audit_rights import compare, granted, read
from cluster import ROOT, Cluster

RIGHTS = ("manifests/base/rbac", "manifests/local-node")


def test_no_request_was_forbidden_and_no_granted_verb_is_unused(cluster: Cluster) -> None:
    audit_log = os.environ.get("KAITO_AUDIT_LOG")
    if audit_log is None:
        pytest.skip("the API server has no roles (the embedded one), or its audit log is not at hand")
    files = [file for folder in RIGHTS for file in sorted((ROOT / folder).glob("*.yaml"))]
    rights = granted(obj for file in files for obj in yaml.safe_load_all(file.read_text()))
    report = compare(rights, read(Path(audit_log)))
    assert not report.forbidden
    assert not report.unused, "\n".join(map(str, report.unused))
    assert len(report.used) == len(rights)
