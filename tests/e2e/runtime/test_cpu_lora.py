"""vLLM's own kernels for a CPU, before and after they are corrected."""

from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="comes with vLLM")
SLOTS = torch.tensor([-1, 0, 1, -1])


def own_copy() -> ModuleType:
    """Return vLLM's module of kernels as a copy of our own."""
    import importlib.util

    spec = importlib.util.find_spec("vllm.lora.ops.torch_ops.lora_ops")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kernels() -> ModuleType:
    """The kernels, corrected."""
    from kaito.runtime.engine.cpu_lora import correct

    module = own_copy()
    correct(module)
    return module


def effect(kernels: Any, slots: Any) -> Any:
    """Return what is added to four rows of zeros, as vLLM's linear layers do it."""
    torch.manual_seed(1)
    a, b = torch.randn(2, 1, 8, 16), torch.randn(2, 1, 12, 8)
    rows, buffer, output = torch.randn(4, 16), torch.zeros(4, 8), torch.zeros(4, 12)
    kernels.bgmv_shrink(rows, a, buffer, slots, 1.0)
    kernels.bgmv_expand(buffer, b, output, slots, add_inputs=True)
    sliced = torch.zeros(4, 20)
    kernels.bgmv_expand_slice(buffer, b, sliced, slots, 4, 12, True)
    assert torch.equal(sliced[:, 4:16], output)
    return output


def test_rows_without_an_adapter_stay_as_they_are_and_the_others_change(kernels: ModuleType) -> None:
    mixed = effect(kernels, SLOTS)
    assert not mixed[SLOTS < 0].any()
    assert torch.equal(mixed[SLOTS >= 0], effect(kernels, torch.tensor([0, 0, 1, 1]))[SLOTS >= 0])
    assert not effect(kernels, torch.tensor([-1, -1, -1, -1])).any()


def test_a_prompt_without_an_adapter_stays_as_it_is(kernels: Any) -> None:
    output = torch.zeros(4, 12)
    lengths, slots = torch.tensor([3, 1]), torch.tensor([-1, 0])
    kernels.sgmv_expand(torch.ones(4, 8), torch.ones(2, 1, 12, 8), output, None, lengths, slots, 2, 3, 4, True)
    assert not output[:3].any()
    assert output[3].all()


@pytest.mark.parametrize("add_inputs", [True, False])
@pytest.mark.parametrize(
    "slots", [[0], [2], [0, 1, 2, 3], [3, 3, 3], [1, 0, 1, 3, 0], [2] * 40], ids=lambda slots: f"{len(slots)} rows"
)
def test_where_every_row_has_an_adapter_the_answers_are_vllms(
    kernels: Any, slots: list[int], *, add_inputs: bool
) -> None:
    torch.manual_seed(len(slots))
    a, b = torch.randn(4, 1, 8, 64), torch.randn(4, 1, 24, 8)
    rows, added_to = torch.randn(len(slots), 64), torch.randn(len(slots), 20)
    answers = []
    for module in (own_copy(), kernels):
        buffer, padded, sliced = torch.ones(len(slots), 8), added_to.clone(), torch.ones(len(slots), 30)
        module.bgmv_shrink(rows, a, buffer, torch.tensor(slots), 0.5)
        module.bgmv_expand(buffer, b, padded, torch.tensor(slots), add_inputs)
        module.bgmv_expand_slice(buffer, b, sliced, torch.tensor(slots), 3, 24, add_inputs)
        answers.append((buffer, padded, sliced))
    for plain, corrected in zip(*answers, strict=True):
        torch.testing.assert_close(corrected, plain, rtol=1e-4, atol=1e-4)


def test_half_precision_is_computed_in_the_type_of_the_output(kernels: Any) -> None:
    a, buffer = torch.randn(2, 1, 8, 64, dtype=torch.bfloat16), torch.zeros(3, 8, dtype=torch.float32)
    rows, slots = torch.randn(3, 64, dtype=torch.bfloat16), torch.tensor([1, -1, 0])
    kernels.bgmv_shrink(rows, a, buffer, slots, 1.0)
    torch.testing.assert_close(buffer[0], rows[0].float() @ a[1, 0].float().T, rtol=1e-4, atol=1e-4)
    assert not buffer[1].any()


def test_vllm_calls_it_in_each_process() -> None:
    from importlib.metadata import entry_points

    [plugin] = entry_points(group="vllm.general_plugins", name="kaito")
    plugin.load()()
    from vllm.lora.punica_wrapper import punica_cpu

    from kaito.runtime.engine import cpu_lora

    assert punica_cpu.bgmv_shrink is cpu_lora.bgmv_shrink
