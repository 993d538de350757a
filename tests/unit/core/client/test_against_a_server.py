"""Computed patches, applies and selectors mean to a server what they mean to us: random ones, on the embedded one."""

import pytest
import random_objects


@pytest.mark.parametrize("block", range(4))
async def test_computed_patches_of_random_objects_give_exactly_what_is_wanted(embedded, block):
    await random_objects.prepare(embedded)
    for seed in range(block * 15, block * 15 + 15):
        await random_objects.computed_patches_give_what_is_wanted(embedded, "default", seed)


async def test_computed_patches_of_deployments_give_exactly_what_is_wanted(embedded):
    for seed in range(15):
        await random_objects.computed_patches_of_a_deployment_give_what_is_wanted(embedded, "default", seed)


async def test_random_applies_give_exactly_what_is_applied(embedded):
    await random_objects.prepare(embedded)
    for seed in range(30):
        await random_objects.an_apply_gives_what_is_applied(embedded, "default", seed)


async def test_random_selectors_select_what_the_server_selects(embedded):
    for seed in range(3):
        await random_objects.selectors_select_what_the_server_selects(embedded, "default", seed, 40)


@pytest.mark.soak
async def test_a_thousand_random_objects_are_patched_and_applied_as_wanted(embedded):
    await random_objects.prepare(embedded)
    for seed in range(1_000, 2_000):
        await random_objects.computed_patches_give_what_is_wanted(embedded, "default", seed)
        await random_objects.an_apply_gives_what_is_applied(embedded, "default", seed)
