"""Pull secrets of adapters: copied for the Workspace's own pods while an adapter needs them, seen nowhere else."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cluster import Cluster

NAME = "private"
CANARY = "canary-of-a-registry-password"
WORKSPACE: dict[str, Any] = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": NAME},
    "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": NAME}}},
}


def manifest(*secrets: str) -> str:
    """A Workspace with an adapter whose image is pulled with these Secrets; without any there is no adapter."""
    source = {"name": "poems", "image": "registry.invalid/poems:1", "imagePullSecrets": list(secrets)}
    inference = {"preset": {"name": "phi-3-mini-4k-instruct"}, "adapters": [{"source": source}] if secrets else []}
    return yaml.safe_dump({**WORKSPACE, "inference": inference})


@pytest.fixture(scope="module")
def private(cluster: Cluster) -> Iterator[Cluster]:
    for secret in ("one", "two"):
        login = ("--docker-server=registry.invalid", "--docker-username=u", f"--docker-password={CANARY}")
        cluster.kubectl("create", "secret", "docker-registry", secret, *login)
    cluster.apply(manifest("one", "not-there"))
    yield cluster
    cluster.kubectl("delete", "workspace", NAME, "--ignore-not-found", "--timeout=120s", timeout=150)
    cluster.kubectl("delete", "secret", "one", "two")


def copied(cluster: Cluster) -> set[str]:
    secret = cluster.object("secret", f"{NAME}-adapter-credentials") or {}
    return set(secret.get("data", {}))


def adapters(cluster: Cluster) -> list[dict[str, Any]]:
    workspace = cluster.object("workspace", NAME) or {}
    return list(workspace.get("status", {}).get("adapters", []))


def replica_sets(cluster: Cluster) -> list[str]:
    return cluster.kubectl("get", "replicasets", "-l", f"kaito.sh/workspace={NAME}", "-o", "name").split()


def test_what_is_there_is_copied_and_what_is_missing_is_named_at_its_adapter(private: Cluster) -> None:
    private.until("the copy", lambda: copied(private) == {"one.json"}, timeout=120)
    [poems] = private.until("the reason", lambda: [one for one in adapters(private) if one.get("reason")], timeout=30)
    assert (poems["name"], poems["state"], poems["reason"]) == ("poems", "Failed", "SourceUnauthorized")
    assert "default/not-there" in poems["message"]
    assert "kubectl create secret docker-registry" in poems["message"]


def test_other_secrets_and_none_are_followed_without_another_pod(private: Cluster) -> None:
    before = private.until("the pods", lambda: replica_sets(private), timeout=60)
    private.apply(manifest("one", "two"))
    private.until("both copies", lambda: copied(private) == {"one.json", "two.json"}, timeout=30)
    private.apply(manifest())
    gone = f"{NAME}-adapter-credentials"
    private.until("no copy", lambda: private.object("secret", gone) is None, timeout=30)
    private.until("no adapter", lambda: adapters(private) == [], timeout=30)
    assert replica_sets(private) == before


def test_the_password_is_in_no_object_but_its_secrets(private: Cluster) -> None:
    everything = private.kubectl("get", "workspaces,configmaps,deployments,pods,events", "-A", "-o", "json")
    assert CANARY not in everything
    for log in (private.directory / "logs").glob("kaito-*.log"):
        assert CANARY not in log.read_text(errors="replace")
