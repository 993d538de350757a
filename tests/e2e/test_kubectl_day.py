"""A user's day with kubectl: what it prints on the embedded server is what it prints on a real control plane.

The transcripts beside this file were recorded on a real kube-apiserver, kube-controller-manager and kube-scheduler.
"""

import subprocess
from pathlib import Path

import pytest
import transcript
from cluster import Cluster

TRANSCRIPTS = sorted((Path(__file__).parent / "kubectl").glob("*.txt"))
NODE = "kaito-host"
"""The node of every local cluster for pods that ask for no GPU."""


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_kubectl_prints(cluster: Cluster, path: Path, tmp_path: Path) -> None:
    namespace = f"day-{path.stem}"
    config = tmp_path / "kubeconfig"
    config.write_text(cluster.kubectl("config", "view", "--flatten", "--minify", "--raw"))
    config.chmod(0o600)
    environment = {"KUBECONFIG": str(config), "KUBECACHEDIR": str(tmp_path / "cache"), "NODE": NODE, "NS": namespace}
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
