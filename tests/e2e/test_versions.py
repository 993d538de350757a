"""A Workspace is the same object in both versions of its API."""

import json
from typing import Any

import pytest
from cluster import Cluster

WORKSPACE = """\
apiVersion: kaito.sh/{version}
kind: Workspace
metadata: {{name: versions}}
resource:
  instanceType: Standard_NC6s_v3
  labelSelector: {{matchLabels: {{apps: versions}}}}
inference:
  preset: {{name: phi-3-mini-4k-instruct}}
  adapters: [{{source: {{name: left-in, image: "ACR_REPO_HERE.azurecr.io/adapter:0.0.1"}}, strength: "1.0"}}]
"""
"""Accepted, and nothing is bought for it while a placeholder is left in."""
VERSIONS = ("v1alpha1", "v1beta1")


def read(cluster: Cluster, version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        cluster.kubectl("get", f"workspaces.{version}.kaito.sh", "versions", "-o", "json")
    )
    assert found.pop("apiVersion") == f"kaito.sh/{version}"
    found["metadata"].pop("managedFields", None)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_applied_in_one_version_is_read_in_both(cluster: Cluster, version: str) -> None:
    cluster.apply(WORKSPACE.format(version=version))
    try:
        cluster.until(
            "a verdict", lambda: "Failed" in cluster.kubectl("get", "wk", "versions", "-o", "wide"), timeout=30
        )
        assert read(cluster, "v1alpha1") == read(cluster, "v1beta1")
        tables = [cluster.kubectl("get", f"workspaces.{each}.kaito.sh", "versions") for each in VERSIONS]
        assert tables[0].split()[:-1] == tables[1].split()[:-1]
        before = read(cluster, "v1beta1")
        cluster.apply(WORKSPACE.format(version=VERSIONS[1 - VERSIONS.index(version)]))
        after = read(cluster, "v1beta1")
        assert after["metadata"]["generation"] == before["metadata"]["generation"], (
            "only what kubectl noted down differs"
        )
    finally:
        cluster.kubectl("delete", "workspace", "versions", "--timeout=60s")
