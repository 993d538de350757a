"""Pods that have nothing to do with a Workspace run beside it, as on any cluster."""

from collections.abc import Iterator

import pytest
from cluster import Cluster

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: plain}
spec:
  restartPolicy: Never
  containers:
    - name: main
      image: busybox
      args: [-c, 'echo "read $SETTING"; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace || true']
      env:
        - {name: SETTING, valueFrom: {configMapKeyRef: {name: plain, key: setting}}}
"""


@pytest.fixture
def plain(cluster: Cluster) -> Iterator[Cluster]:
    cluster.apply(POD)
    yield cluster
    cluster.kubectl("delete", "pod/plain", "configmap/plain", "--ignore-not-found", "--timeout=60s")


MOODY = """\
apiVersion: v1
kind: Pod
metadata: {name: moody}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: busybox
      args: [-c, exec sleep 3600]
      readinessProbe:
        periodSeconds: 1
        failureThreshold: 1
        exec: {command: [sh, -c, 'test $(($(date +%s) / 2 % 2)) = 0']}
"""


def phase(cluster: Cluster) -> str:
    return cluster.kubectl("get", "pod", "plain", "-o", "jsonpath={.status.phase}")


def waits_for(cluster: Cluster) -> str:
    path = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    return cluster.kubectl("get", "pod", "plain", "-o", path)


def test_a_pod_waits_for_its_config_map_and_then_runs(plain: Cluster) -> None:
    plain.until("CreateContainerConfigError", lambda: waits_for(plain) == "CreateContainerConfigError", timeout=60)
    assert 'configmap "plain" not found' in plain.kubectl("describe", "pod", "plain")
    plain.kubectl("create", "configmap", "plain", "--from-literal=setting=hello")
    plain.until("Succeeded", lambda: phase(plain) == "Succeeded", timeout=60)
    logs = plain.kubectl("logs", "plain")
    assert logs.startswith("read hello\n")
    manifest = plain.kubectl("get", "pod", "plain", "-o", "yaml")
    assert ("\ndefault\n" in logs) == ("serviceAccountToken" in manifest), "the embedded server gives pods no token"


def test_an_image_that_no_program_stands_for_is_an_image_pull_error_that_names_those_that_are(cluster: Cluster) -> None:
    cluster.kubectl("run", "foreign", "--image=registry.invalid/nothing:1", "--restart=Never")
    try:
        cluster.until("ErrImagePull", lambda: "ImagePull" in cluster.kubectl("get", "pod", "foreign"), timeout=60)
        assert "curlimages/curl" in cluster.kubectl("describe", "pod", "foreign")
    finally:
        cluster.kubectl("delete", "pod", "foreign", "--timeout=60s")


def test_a_probe_that_fails_again_and_again_is_one_event_with_a_count(cluster: Cluster) -> None:
    cluster.apply(MOODY)
    try:
        cluster.until("a second failure", lambda: max(counts(cluster, "Unhealthy", "moody"), default=0) > 1, timeout=60)
        assert len(counts(cluster, "Unhealthy", "moody")) == 1
    finally:
        cluster.kubectl("delete", "pod", "moody", "--timeout=60s")


def counts(cluster: Cluster, reason: str, name: str) -> list[int]:
    """Return how often each event of a reason, about objects of a name, has happened."""
    fields = f"--field-selector=reason={reason},involvedObject.name={name}"
    return [
        int(count) for count in cluster.kubectl("get", "events", fields, "-o", "jsonpath={.items[*].count}").split()
    ]
