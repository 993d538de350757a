"""vLLM's own kernels for a CPU, before and after they are corrected."""

from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="comes with vLLM")
SLOTS = torch.tensor([-1, 0, 1, -1])


@pytest.fixture
def kernels() -> ModuleType:
    """The module with the kernels as a copy of its own, corrected."""
    import importlib.util

    from kaito.runtime.engine.cpu_lora import correct

    spec = importlib.util.find_spec("vllm.lora.ops.torch_ops.lora_ops")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    correct(module)
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


def test_vllm_calls_it_in_each_process() -> None:
    from importlib.metadata import entry_points

    [plugin] = entry_points(group="vllm.general_plugins", name="kaito")
    plugin.load()()
    from vllm.lora.punica_wrapper import punica_cpu

    assert hasattr(punica_cpu.bgmv_shrink, "__wrapped__")
