"""Bad input gets a clear answer: at apply where it can be known, else as a terminal condition."""

from typing import Any

import pytest
import yaml
from cluster import EXAMPLES, Cluster

GOOD: dict[str, Any] = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": "refused"},
    "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "refused"}}},
    "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
}
UNFILLED: dict[str, Any] = {
    **GOOD["inference"],
    "adapters": [{"source": {"name": "left-in", "image": "ACR_REPO_HERE.azurecr.io/adapter:0.0.1"}}],
}
"""Accepted, since the examples are, and nothing is bought for it."""
TUNING = yaml.safe_load((EXAMPLES / "fine-tuning" / "kaito_workspace_tuning_phi_3.yaml").read_text())["tuning"]


def changed(**changes: Any) -> str:
    manifest = {**GOOD, **changes}
    return yaml.safe_dump({key: value for key, value in manifest.items() if value is not None})


AT_APPLY = {
    "both inference and tuning": (changed(tuning=TUNING), "inference"),
    "neither inference nor tuning": (changed(inference=None), "inference"),
    "no label selector": (changed(resource={"instanceType": "Standard_NC6s_v3"}), "resource.labelSelector"),
    "no resource": (changed(resource=None), "resource"),
    "a number for the instance type": (
        changed(resource={"instanceType": 6, "labelSelector": {"matchLabels": {"apps": "x"}}}),
        "resource.instanceType",
    ),
    "a text for the count": (
        changed(resource={"count": "two", "labelSelector": {"matchLabels": {"apps": "x"}}}),
        "resource.count",
    ),
    "a preset without a name": (changed(inference={"preset": {}}), "inference.preset.name"),
    "neither preset nor template": (changed(inference={}), "inference"),
    "an unknown access mode": (
        changed(inference={"preset": {"name": "phi-3-mini-4k-instruct", "accessMode": "secret"}}),
        "inference.preset.accessMode",
    ),
}


@pytest.mark.parametrize("case", AT_APPLY)
def test_a_wrong_structure_is_refused_at_apply_with_the_field(cluster: Cluster, case: str) -> None:
    manifest, field = AT_APPLY[case]
    said = cluster.refused("apply", manifest=manifest)
    assert field in said
    assert cluster.object("workspace", "refused") is None


def test_the_instance_type_cannot_change(cluster: Cluster) -> None:
    cluster.apply(changed(metadata={"name": "fixed"}, inference=UNFILLED))
    other = changed(
        metadata={"name": "fixed"},
        inference=UNFILLED,
        resource={"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "refused"}}},
    )
    said = cluster.refused("apply", manifest=other)
    cluster.kubectl("delete", "workspace", "fixed", "--timeout=30s")
    assert "instanceType" in said
    assert "immutable" in said


@pytest.fixture
def terminal(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """The wide table of a Workspace that cannot work, once it says so; no Machine may have been made by then."""
    manifest: str = request.param
    name = yaml.safe_load(manifest)["metadata"]["name"]
    cluster.apply(manifest)

    def failed() -> str:
        table = cluster.kubectl("get", "workspace", name, "-o", "wide")
        return table if "Failed" in table else ""

    table = cluster.until("a terminal condition", failed, timeout=15)
    machines = cluster.kubectl("get", "machines", "-o", "name", "-l", f"kaito.sh/workspace={name}")
    described = cluster.kubectl("describe", "workspace", name)
    cluster.kubectl("delete", "workspace", name, "--timeout=30s")
    assert machines.strip() == ""
    return table + described


BY_THE_RULES = {
    "an unknown preset": (
        changed(inference={"preset": {"name": "phi-3-mini-4k-instrct"}}),
        ["inference.preset.name: ", "phi-3-mini-4k-instruct"],
    ),
    "an unknown machine size": (
        changed(resource={"instanceType": "Standard_NC6_v3", "labelSelector": {"matchLabels": {"apps": "x"}}}),
        ["resource.instanceType: ", "Standard_NC6s_v3"],
    ),
}


@pytest.mark.parametrize("case", BY_THE_RULES)
def test_what_can_never_be_served_is_refused_at_apply_with_the_field_and_the_remedy(
    cluster: Cluster, case: str
) -> None:
    manifest, words = BY_THE_RULES[case]
    said = cluster.refused("apply", manifest=manifest)
    assert [word for word in words if word not in said] == [], said
    assert cluster.object("workspace", "refused") is None


@pytest.mark.parametrize(
    "terminal", [(EXAMPLES / "inference" / "kaito_workspace_phi_3_with_adapters.yaml").read_text()], indirect=True
)
def test_placeholders_left_in_are_named(terminal: str) -> None:
    assert "inference.adapters[0].source.image" in terminal
    assert "ACR_REPO_HERE" in terminal


@pytest.mark.parametrize("manifest", sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.yaml")))
def test_every_manifest_of_the_page_is_accepted(cluster: Cluster, manifest: str) -> None:
    said = cluster.kubectl("apply", "--dry-run=server", "-f", str(EXAMPLES / manifest))
    assert "(server dry run)" in said
