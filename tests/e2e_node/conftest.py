"""The control plane's own image in a cluster whose nodes run containers: any that `$KUBECONFIG` names.

`KAITO_LOAD_IMAGE` is a command that gets the image to the nodes; the archive's path is put behind it:

    kind    KAITO_LOAD_IMAGE="kind load image-archive"
    k3d     KAITO_LOAD_IMAGE="k3d image import"

Without it the nodes must already have the image, or be able to pull it. Everything is done as a person would, with the
real kubectl. The cluster must have no kaito in it; the tests install it, and take it away again.
"""

import json
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = str(ROOT / "manifests" / "overlays" / "dev")
NAMESPACE = "kaito-system"
PROGRAMS = ["kaito-controller", "kaito-provisioner"]
LAST = ["test_rights.py", "test_uninstall.py"]


def pytest_collection_modifyitems(items):
    """Compare rights when all has been used, and before they are taken away from running programs."""
    items.sort(key=lambda item: LAST.index(item.path.name) if item.path.name in LAST else -1)


class Cluster:
    """Commands against the cluster, and waiting for what they say."""

    overlay, namespace, programs, examples = OVERLAY, NAMESPACE, PROGRAMS, ROOT / "examples"

    def run(self, *arguments, check=True, stdin=None, timeout=180):
        done = subprocess.run(
            ["kubectl", *arguments], capture_output=True, text=True, input=stdin, timeout=timeout, check=False
        )
        if check and done.returncode:
            pytest.fail(f"kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}\n{self.account()}")
        return done

    def kubectl(self, *arguments, **options):
        return self.run(*arguments, **options).stdout

    def get(self, *arguments):
        """Return one object; None when it does not exist."""
        text = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def list(self, *arguments):
        """Return the objects that `kubectl get` finds."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))["items"]

    def until(self, what, condition, within=60.0):
        deadline = time.monotonic() + within
        while not (found := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"{what}: not within {within:.0f} s\n{self.account()}", pytrace=False)
            time.sleep(0.25)
        return found

    def account(self):
        """Say what a person would look at first."""
        kinds = "workspaces,machines,nodes,pods,leases"
        commands = [
            ["get", kinds, "-A", "-o", "wide"],
            ["get", "events", "-A", "--sort-by=.lastTimestamp"],
            *(["-n", NAMESPACE, "logs", f"deployment/{program}", "--tail=20"] for program in PROGRAMS),
        ]
        said = [subprocess.run(["kubectl", *one], capture_output=True, text=True, check=False) for one in commands]
        return "\n".join(one.stdout[-6000:] + one.stderr for one in said)

    def install(self):
        self.kubectl("apply", "-k", OVERLAY)
        for program in PROGRAMS:
            self.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{program}", "--timeout=180s", timeout=200)
        for program in PROGRAMS:
            self.until(f"{program} has a leader", lambda program=program: self.leader(program))
        self.until("the API server trusts the webhook", self.webhook_is_trusted)

    def pods(self, program):
        return self.list("pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={program}")

    def leader(self, program):
        """Return the name of the pod that holds the Lease, if it is still there."""
        lease = self.get("lease", program, "-n", NAMESPACE)
        holder = (lease or {"spec": {}})["spec"].get("holderIdentity", "").partition("_")[0]
        return next((holder for pod in self.pods(program) if pod["metadata"]["name"] == holder), "")

    def webhook_is_trusted(self):
        """Say whether both configurations have the authority of the certificate that is served."""
        secret = self.get("secret", "kaito-webhook-certificate", "-n", NAMESPACE)
        kinds = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")
        found = [self.get(kind, "kaito-webhook") for kind in kinds]
        hooks = [webhook["clientConfig"] for one in found if one for webhook in one["webhooks"]]
        return bool(secret and hooks) and all(one.get("caBundle") == secret["data"]["ca.crt"] for one in hooks)

    def workspace(self, name):
        return self.get("workspace", name)

    def left(self):
        """Return everything of kaito that is in the cluster."""
        kinds = (
            "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,nodes,priorityclasses,"
            "validatingwebhookconfigurations,mutatingwebhookconfigurations"
        )
        named = [f"{obj['kind']} {obj['metadata']['name']}" for obj in self.list(kinds)]
        ours = ("kaito", "karpenter")
        spread = "pods,services,deployments,configmaps,secrets,leases,serviceaccounts,roles,rolebindings"
        labelled = self.list(spread, "-A", "-l", "app.kubernetes.io/part-of=kaito")
        return [one for one in named if any(word in one for word in ours)] + [str(one) for one in labelled]


@pytest.fixture(scope="session")
def bare():
    """Return the cluster before anything is installed, with the image on its nodes."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    cluster = Cluster()
    assert cluster.left() == [], "this cluster already has kaito in it"
    if command := os.environ.get("KAITO_LOAD_IMAGE"):
        archive = os.environ.get("KAITO_IMAGE_ARCHIVE", str(ROOT / "build" / "kaito-image.tar"))
        subprocess.run([*shlex.split(command), archive], check=True, timeout=600)
    yield cluster
    cluster.run("delete", "workspaces", "--all", "-A", "--timeout=120s", check=False)
    cluster.run("delete", "-k", OVERLAY, "--ignore-not-found", "--timeout=120s", check=False)


@pytest.fixture(scope="session")
def cluster(bare):
    bare.install()
    return bare
