"""Plans: what a preset on a SKU comes to, and what is said when it comes to nothing."""

import pytest

from kaito.core.errors import KaitoError
from kaito.presets import load_presets, load_skus, make_plan

PRESETS, SKUS = load_presets(), load_skus()


def plan_of(preset, sku):
    return make_plan(preset, sku, PRESETS, SKUS)


def test_the_pages_own_workspace_serves_its_full_context_in_float16_on_a_v100():
    plan = plan_of("phi-3-mini-4k-instruct", "Standard_NC6s_v3")
    assert (plan.nodes, plan.max_model_len, plan.dtype) == (1, 4096, "float16")
    assert any("bfloat16" in note for note in plan.notes)
    assert any("Standard_NC24ads_A100_v4" in note for note in plan.notes)


def test_a_shortened_context_is_noted_with_both_numbers():
    plan = plan_of("phi-3-mini-128k-instruct", "Standard_NC6s_v3")
    assert any("131072" in note and "9472" in note for note in plan.notes)


def test_ampere_computes_in_the_weights_own_precision_without_remarks():
    plan = plan_of("phi-3-mini-4k-instruct", "Standard_NC24ads_A100_v4")
    assert plan.dtype == "bfloat16"
    assert plan.notes == ()


@pytest.mark.parametrize("name", ["Phi-3-Mini-4k-Instruct", "microsoft/Phi-3-mini-4k-instruct"])
def test_presets_are_found_whatever_the_case_and_by_their_repository(name):
    assert plan_of(name, "standard_nc6s_V3").preset.name == "phi-3-mini-4k-instruct"


def test_an_unknown_preset_names_the_closest():
    with pytest.raises(KaitoError) as caught:
        plan_of("phi3-mini-4k", "Standard_NC6s_v3")
    assert (caught.value.reason, caught.value.terminal) == ("UnknownPreset", True)
    assert caught.value.remedy.startswith("The closest are phi-3-mini-4k-instruct, ")


def test_an_unknown_sku_names_the_three_closest():
    with pytest.raises(KaitoError) as caught:
        plan_of("phi-3-mini-4k-instruct", "Standard_NC24_A100_v4")
    assert caught.value.reason == "UnknownSKU"
    assert caught.value.remedy.startswith("The closest are Standard_NC24ads_A100_v4, ")
    assert caught.value.remedy.count(",") == 2


@pytest.mark.parametrize(
    ("sku", "numbers"),
    [
        ("Standard_NV12ads_A10_v5", ["7.1Gi of weights", "1 GPU of 8Gi", "3 nodes"]),
        ("Standard_NV18ads_A10_v5", ["1 GPU of 12Gi", "2 nodes"]),
    ],
)
def test_a_preset_that_does_not_fit_says_the_numbers_and_what_would(sku, numbers):
    with pytest.raises(KaitoError) as caught:
        plan_of("phi-3-mini-4k-instruct", sku)
    assert (caught.value.reason, caught.value.terminal) == ("PresetDoesNotFit", True)
    for number in numbers:
        assert number in caught.value.message
    assert "Standard_NC4as_T4_v3" in caught.value.remedy


def test_every_successor_and_every_name_in_the_data_files_is_sound():
    names = [sku.name.lower() for sku in SKUS]
    assert len(set(names)) == len(names)
    for sku in SKUS:
        assert bool(sku.successor) == sku.retired
        if sku.successor:
            assert not SKUS.find(sku.successor).retired
    for preset in PRESETS:
        shape = preset.shape
        assert preset.bytes_per_token == 2 * shape.layers * shape.kv_heads * shape.head_dim * 2
        assert preset.name == preset.name.lower()


def test_the_registry_in_the_repository_root_is_the_one_that_is_shipped():
    from importlib.resources import files
    from pathlib import Path

    root = Path(__file__).parents[3] / "presets.yaml"
    assert root.read_text() == files("kaito.presets").joinpath("presets.yaml").read_text()


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS])
def test_every_preset_serves_its_whole_context_on_one_a100(preset):
    plan = plan_of(preset, "Standard_NC24ads_A100_v4")
    assert (plan.nodes, plan.max_model_len) == (1, plan.preset.context_length)


def test_one_preset_is_small_enough_for_a_cpu_free_for_all_and_fits_the_page_s_machine():
    plan = plan_of("qwen2.5-0.5b-instruct", "Standard_NC6s_v3")
    assert plan.preset.weight_bytes / 2 < 600_000_000  # parameters, of two bytes each
    assert not plan.preset.gated
    assert (plan.nodes, plan.max_model_len, plan.dtype) == (1, plan.preset.context_length, "float16")


@pytest.mark.parametrize("preset", ["falcon-7b", "mistral-7b-instruct", "llama-3.1-8b-instruct"])
def test_seven_billion_parameters_do_not_fit_a_v100_and_the_sizes_that_do_are_named(preset):
    with pytest.raises(KaitoError) as caught:
        plan_of(preset, "Standard_NC6s_v3")
    assert caught.value.reason == "PresetDoesNotFit"
    assert "Standard_" in caught.value.remedy


@pytest.mark.parametrize("preset", PRESETS.presets, ids=lambda preset: preset.name)
def test_the_cache_of_a_token_follows_from_the_shape(preset):
    shape = preset.shape
    assert preset.bytes_per_token == 2 * shape.layers * shape.kv_heads * shape.head_dim * 2
