"""A user's day with kubectl: what it prints on the embedded server is what it prints on a real control plane.

The transcripts beside this file were recorded on a real kube-apiserver, kube-controller-manager and kube-scheduler.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import transcript
from cluster import Cluster

TRANSCRIPTS = sorted((Path(__file__).parent / "kubectl").glob("*.txt"))
MACHINE = """
apiVersion: karpenter.sh/v1alpha5
kind: Machine
metadata: {name: day}
spec:
  machineTemplateRef: {name: day}
  requirements:
  - {key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC6s_v3]}
"""


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> Iterator[str]:
    """The name of a node that runs pods; it goes again after the last transcript."""
    cluster.apply(MACHINE)
    cluster.kubectl("wait", "--for=condition=Ready", "machine/day", "--timeout=90s")
    yield "day"
    cluster.kubectl("delete", "machine", "day", "--timeout=90s")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_kubectl_prints(cluster: Cluster, node: str, path: Path, tmp_path: Path) -> None:
    namespace = f"day-{path.stem}"
    config = tmp_path / "kubeconfig"
    config.write_text(cluster.kubectl("config", "view", "--flatten", "--minify", "--raw"))
    config.chmod(0o600)
    environment = {"KUBECONFIG": str(config), "KUBECACHEDIR": str(tmp_path / "cache"), "NODE": node, "NS": namespace}
    folder = tmp_path / "work"
    folder.mkdir()
    cluster.kubectl("create", "namespace", namespace)
    try:
        subprocess.run(
            ["kubectl", "config", "set-context", "--current", f"--namespace={namespace}", "--kubeconfig", str(config)],
            check=True,
            capture_output=True,
        )
        for step in transcript.parse(path.read_text()):
            if wrong := transcript.difference(step, environment, folder):
                pytest.fail(f"{path.name} {wrong}", pytrace=False)
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false", check=False)
