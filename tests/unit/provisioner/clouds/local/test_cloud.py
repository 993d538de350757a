"""The local cloud says everything that a real one may say."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kaito.api.machine import Requirement, Taint
from kaito.provisioner.clouds import (
    UNAVAILABLE_DURING_LAUNCH,
    Claim,
    CloudError,
    CloudUnavailableError,
    InstanceNotFoundError,
    InsufficientCapacityError,
    InvalidConfigurationError,
    QuotaExceededError,
    SkuNotAvailableError,
)

SKU = "Standard_NC6s_v3"


def claim(name: str = "ws1", *skus: str, **more: Any) -> Claim:
    return Claim(name, skus or (SKU,), **more)


async def test_an_instance_is_a_file_with_all_that_the_node_needs(world: Any) -> None:
    asked = claim(
        labels={"kaito.sh/workspace": "phi", "topology.kubernetes.io/zone": "mine"},
        requirements=(Requirement(key="apps", operator="In", values=("phi-3",)),),
        taints=(Taint(key="sku", value="gpu", effect="NoSchedule"),),
        requests={"storage": "80Gi"},
    )
    made = await world.cloud.create(asked)
    written = json.loads((world.directory / "instances" / "ws1.json").read_text())
    assert made.provider_id == written["providerID"] == "local:///ws1"
    assert written["capacity"] == {
        "cpu": "6",
        "memory": "112Gi",
        "ephemeral-storage": "80Gi",
        "pods": "110",
        "nvidia.com/gpu": "1",
    }
    assert written["labels"]["node.kubernetes.io/instance-type"] == SKU
    assert written["labels"]["apps"] == "phi-3"
    assert written["labels"]["topology.kubernetes.io/zone"] == "mine", "the claim's own label wins"
    assert written["taints"] == [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}]
    assert written["state"] == "running"
    assert [path.name for path in (world.directory / "instances").iterdir()] == ["ws1.json"], "no drafts are left"


async def test_a_repeated_create_adopts_the_instance_even_over_quota(world: Any) -> None:
    first = await world.cloud.create(claim())
    world.cloud_says("quota: {Standard_NC6s_v3: 0}")
    assert await world.cloud.create(claim()) == first
    assert len(await world.cloud.list()) == 1


async def test_a_create_takes_launch_seconds(world: Any) -> None:
    world.cloud_says("launch_seconds: 7.5")
    await world.cloud.create(claim())
    assert world.clock.passed == 7.5


@pytest.mark.parametrize(
    ("settings", "asked", "error", "words"),
    [
        (
            "quota: {standard_nc6s_V3: 0}",
            claim(),
            QuotaExceededError,
            ["Standard_NC6s_v3 is 0, 0 in use", "kaito cloud quota Standard_NC6s_v3 1"],
        ),
        ("unavailable: [Standard_NC6s_v3]", claim(), SkuNotAvailableError, ["not sold", "kaito cloud reset"]),
        ("{}", claim("ws1", "Standard_NC6s_v4"), SkuNotAvailableError, ["Standard_NC6s_v4", "Standard_NC6s_v3"]),
        ("out_of_capacity: [Standard_NC6s_v3]", claim(), InsufficientCapacityError, ["no Standard_NC6s_v3 free"]),
        (
            "quota: {Standard_NC6s_v3: many}",
            claim(),
            InvalidConfigurationError,
            ["cloud.yaml", "quota.Standard_NC6s_v3"],
        ),
        ("quotas: {}", claim(), InvalidConfigurationError, ["cloud.yaml", "quotas"]),
        ("{", claim(), InvalidConfigurationError, ["cloud.yaml"]),
        ("{}", Claim("ws1", ()), InvalidConfigurationError, ["no instance type"]),
        (
            "{}",
            claim(requirements=(Requirement(key="kubernetes.io/arch", operator="In", values=("arm64",)),)),
            InvalidConfigurationError,
            ["kubernetes.io/arch In ['arm64']", "amd64"],
        ),
    ],
)
async def test_refusals_are_typed_and_name_numbers_and_remedy(
    world: Any, settings: str, asked: Claim, error: type[CloudError], words: list[str]
) -> None:
    world.cloud_says(settings)
    with pytest.raises(error) as refused:
        await world.cloud.create(asked)
    for word in words:
        assert word in str(refused.value)
    assert refused.value.remedy
    assert (UNAVAILABLE_DURING_LAUNCH in refused.value.message) == refused.value.terminal
    assert await world.cloud.list() == []


async def test_several_instance_types_are_tried_in_order(world: Any) -> None:
    world.cloud_says("quota: {Standard_NC6s_v3: 0}")
    made = await world.cloud.create(claim("ws1", SKU, "Standard_NC24ads_A100_v4"))
    assert made.instance_type == "Standard_NC24ads_A100_v4"


async def test_of_several_refusals_one_that_may_pass_is_told(world: Any) -> None:
    world.cloud_says("{quota: {Standard_NC6s_v3: 0}, out_of_capacity: [Standard_NC24ads_A100_v4]}")
    with pytest.raises(InsufficientCapacityError):
        await world.cloud.create(claim("ws1", SKU, "Standard_NC24ads_A100_v4"))


async def test_two_claims_at_once_on_the_last_machine_get_one(world: Any) -> None:
    world.cloud_says("quota: {Standard_NC6s_v3: 1}")
    results = await asyncio.gather(
        *(world.cloud.create(claim(f"ws{number}")) for number in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, QuotaExceededError) for one in results) == 7
    assert len(await world.cloud.list()) == 1


async def test_deleting_marks_the_file_and_gone_means_not_found(world: Any) -> None:
    await world.cloud.create(claim())
    await world.cloud.delete("ws1")
    await world.cloud.delete("ws1")
    assert (await world.cloud.get("ws1")).terminating
    with pytest.raises(CloudUnavailableError, match="still terminating"):
        await world.cloud.create(claim())
    world.instances.remove("ws1")
    for call in (world.cloud.get, world.cloud.delete):
        with pytest.raises(InstanceNotFoundError):
            await call("ws1")


async def test_the_revision_changes_with_settings_and_instances_only(world: Any) -> None:
    before = world.cloud.revision()
    assert world.cloud.revision() == before
    world.cloud_says("quota: {}")
    edited = world.cloud.revision()
    assert edited != before
    with pytest.raises(CloudError):
        await world.cloud.create(Claim("ws1", ()))
    assert world.cloud.revision() == edited, "a refusal changes nothing"
    await world.cloud.create(claim())
    assert world.cloud.revision() != edited


async def test_a_broken_instance_file_is_named(world: Any, tmp_path: Path, new_machine: Callable[..., Any]) -> None:
    await world.cloud.create(claim())
    world.instances.path("ws1").write_text("{")
    with pytest.raises(CloudUnavailableError, match=r"ws1\.json"):
        await world.cloud.get("ws1")
