"""What `kubectl apply -k` would install, looked at before it does.

`UPDATE_GOLDEN=1 pytest …/test_rendered.py` writes the golden files anew; read the difference before committing it. The
CRDs are not among them: they are generated, and compared by `make lint`.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from kaito.controllers.options import parse_options
from kaito.provisioner.main import options_of, parser
from kaito.provisioner.options import make_cloud
from kaito.testing import VirtualClock

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).parent / "golden"
OVERLAYS = ["base", "overlays/dev"]


@cache
def rendered(overlay):
    done = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "manifests" / overlay)], capture_output=True, text=True, check=True
    )
    return list(yaml.safe_load_all(done.stdout))


def of_kind(overlay, *kinds):
    return [obj for obj in rendered(overlay) if obj["kind"] in kinds]


def containers(overlay):
    return [
        (deployment, container)
        for deployment in of_kind(overlay, "Deployment")
        for container in deployment["spec"]["template"]["spec"]["containers"]
    ]


def names(objects):
    return [obj["metadata"]["name"] for obj in objects]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_installed_is_word_for_word_the_golden_file(overlay):
    objects = [obj for obj in rendered(overlay) if obj["kind"] != "CustomResourceDefinition"]
    text = yaml.safe_dump_all(objects, sort_keys=True, width=120)
    path = GOLDEN / f"{overlay.replace('/', '-')}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_role_may_list_or_watch_secrets_or_has_a_wildcard(overlay):
    for role in of_kind(overlay, "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            if "secrets" in rule["resources"]:
                assert not {"list", "watch"} & set(rule["verbs"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_pod_passes_the_restricted_profile(overlay):
    for deployment, container in containers(overlay):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] >= 10_000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_deployment_has_two_replicas_that_elect_a_leader_and_one_may_be_evicted(overlay):
    for deployment, container in containers(overlay):
        assert deployment["spec"]["replicas"] == 2
        assert "--leader-elect" in container["args"]
        selector = deployment["spec"]["selector"]["matchLabels"]
        budgets = [one["spec"] for one in of_kind(overlay, "PodDisruptionBudget")]
        assert [one["minAvailable"] for one in budgets if one["selector"]["matchLabels"] == selector] == [1]
        for probe in ("livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == "metrics"
        assert container["resources"]["limits"] == {"memory": "512Mi"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_images_are_pinned(overlay):
    for _, container in containers(overlay):
        name, _, tag = container["image"].rpartition(":")
        assert name
        assert tag not in ("", "latest")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_account_of_a_pod_exists_and_each_binding_has_its_role(overlay):
    accounts = names(of_kind(overlay, "ServiceAccount"))
    roles = {(role["kind"], role["metadata"]["name"]) for role in of_kind(overlay, "Role", "ClusterRole")}
    for deployment, _ in containers(overlay):
        assert deployment["spec"]["template"]["spec"]["serviceAccountName"] in accounts
    for binding in of_kind(overlay, "RoleBinding", "ClusterRoleBinding"):
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in roles
        assert {subject["name"] for subject in binding["subjects"]} <= set(accounts)


def test_the_programs_understand_their_arguments():
    found = {deployment["metadata"]["name"]: one["args"] for deployment, one in containers("overlays/dev")}
    controller = parse_options(found["kaito-controller"])
    assert (controller.leader_elect, controller.settings.weights) == (True, "stand-in")
    arguments = parser().parse_args(found["kaito-provisioner"])
    assert arguments.leader_elect
    assert make_cloud(options_of(arguments), VirtualClock(), None).name == "kwok"
    (base,) = (one["args"] for _, one in containers("base"))
    assert parse_options(base).settings.weights == "hub"
