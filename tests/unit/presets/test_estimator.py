"""Node counts and layouts that KAITO's own formula gives, and what fits beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.presets import estimate, layout, load_presets, load_skus, longest_context, memory_split
from kaito.presets.registry import Preset
from kaito.presets.sku import GIB, Sku

PRESETS, SKUS = load_presets(), load_skus()

COLUMNS = [
    "Standard_NV36ads_A10_v5",
    "Standard_NV72ads_A10_v5",
    "Standard_NC24ads_A100_v4",
    "Standard_NC48ads_A100_v4",
    "Standard_NC96ads_A100_v4",
    "Standard_NC40ads_H100_v5",
    "Standard_NC80adis_H100_v5",
    "Standard_ND96isr_H100_v5",
    "Standard_ND96isr_H200_v5",
]
PHI_3_MINI = ["TP1", "DP2", "TP1", "DP2", "DP4", "TP1", "DP2", "DP8", "DP8"]
"""One node everywhere. Source: KAITO's estimator at its default context of 2048 tokens."""


@pytest.mark.parametrize("name", ["phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct"])
@pytest.mark.parametrize(("sku", "spread"), list(zip(COLUMNS, PHI_3_MINI, strict=True)))
def test_phi_3_mini_takes_one_node_and_the_published_layout(name, sku, spread):
    preset, machine = PRESETS.find(name), SKUS.find(sku)
    assert estimate(preset, machine).nodes == 1
    assert str(layout(preset, machine, 1)) == spread


def model(weights_gib, bytes_per_token):
    return PRESETS.find("phi-3-mini-4k-instruct").model_copy(
        update={"weight_bytes": int(weights_gib * GIB), "bytes_per_token": bytes_per_token, "context_length": 131072}
    )


OTHERS = [
    ("phi-4", 27.31, 204800, "Standard_NV36ads_A10_v5", 2, "TP1xPP2"),
    ("phi-4", 27.31, 204800, "Standard_NV72ads_A10_v5", 1, "TP2"),
    ("phi-3-medium-128k", 26.0, 204800, "Standard_NC48ads_A100_v4", 1, "DP2"),
    ("phi-3-medium-128k", 26.0, 204800, "Standard_NV36ads_A10_v5", 2, "TP1xPP2"),
]


@pytest.mark.parametrize(("name", "weights", "token", "sku", "nodes", "spread"), OTHERS)
def test_larger_models_take_the_published_number_of_nodes(name, weights, token, sku, nodes, spread):
    preset, machine = model(weights, token), SKUS.find(sku)
    assert estimate(preset, machine).nodes == nodes
    assert str(layout(preset, machine, nodes)) == spread


def test_a_long_context_still_fits_an_a100():
    """Fixed part 2.3 + 48 GiB leaves 16.1 GiB for 7.26 GiB of weights."""
    need = estimate(PRESETS.find("phi-3-mini-128k-instruct"), SKUS.find("Standard_NC24ads_A100_v4"), context=131072)
    assert need.nodes == 1
    assert need.usable / GIB == pytest.approx(16.1, abs=0.05)


CONTEXTS = [
    ("phi-3-mini-4k-instruct", "Standard_NC6s_v3", 4096),
    ("phi-3-mini-128k-instruct", "Standard_NC6s_v3", 9472),
    ("phi-3-mini-128k-instruct", "Standard_NV36ads_A10_v5", 27904),
    ("phi-3-mini-128k-instruct", "Standard_NC24ads_A100_v4", 131072),
]


@pytest.mark.parametrize(("name", "sku", "tokens"), CONTEXTS)
def test_the_longest_context_is_what_the_kv_cache_holds_or_the_models_own(name, sku, tokens):
    preset, machine = PRESETS.find(name), SKUS.find(sku)
    spread = layout(preset, machine, 1)
    assert longest_context(preset, memory_split(preset, machine, spread), spread) == tokens


@given(
    weights=st.integers(1, 400 * GIB),
    token=st.integers(1, 1 << 21),
    gpus=st.integers(1, 8),
    memory=st.integers(4, 192),
)
def test_whatever_the_model_the_numbers_hang_together(weights, token, gpus, memory):
    preset: Preset = PRESETS.find("phi-3-mini-128k-instruct").model_copy(
        update={"weight_bytes": weights, "bytes_per_token": token}
    )
    sku = Sku(name="x", gpus=gpus, gpu_memory=memory, model="m", compute_capability="8.0", vcpus=1, memory=1)
    need = estimate(preset, sku)
    if not need.nodes:
        assert need.usable == 0
        return
    assert need.gpus * need.usable >= weights * 1.01
    assert (need.nodes - 1) * gpus < need.gpus <= need.nodes * gpus
    spread = layout(preset, sku, need.nodes)
    split = memory_split(preset, sku, spread)
    context = longest_context(preset, split, spread)
    assert 0 <= context <= preset.context_length
    shards = spread.tensor * spread.pipeline
    assert context * token <= split.kv_cache * shards
    if split.kv_cache:
        assert split.total == sku.gpu_memory_bytes
