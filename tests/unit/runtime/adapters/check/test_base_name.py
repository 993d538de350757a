import pytest

from kaito.runtime.adapters.check import ServedBase
from kaito.runtime.adapters.check.base_name import contradicts

PHI = ServedBase(names=("phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct"), family=("phi3", "Phi3"))
LLAMA = ServedBase(names=("my-model", "acme/support-bot"), family=("llama", "Llama"))


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("", PHI),
        ("microsoft/Phi-3-mini-4k-instruct", PHI),
        ("phi-3-mini-4k-instruct", PHI),
        ("unsloth/phi-3-mini-4k-instruct-bnb-4bit", PHI),
        ("/workspace/tfs/weights", PHI),
        ("./llama", PHI),
        ("../../mistral-7b", PHI),
        (r"C:\models\llama", PHI),
        ("/root/.cache/huggingface/hub/models--meta-llama--Llama-2-7b/snapshots/0f3e", PHI),
        ("org/model", PHI),
        ("meta-llama/Llama-3.1-8B", LLAMA),
        ("TinyLlama/TinyLlama-1.1B-Chat", LLAMA),
        ("acme/support-bot", LLAMA),
        ("anything/else", ServedBase()),
        ("anything/else", ServedBase(names=("/workspace/weights",))),
    ],
)
def test_a_name_that_may_mean_the_base_is_no_contradiction(name: str, base: ServedBase) -> None:
    assert not contradicts(name, base)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("meta-llama/Llama-2-7b-hf", PHI),
        ("mistralai/Mistral-7B-Instruct-v0.3", PHI),
        ("gpt2", PHI),
        ("microsoft/Phi-3-mini-128k-instruct", PHI),
        ("Qwen/Qwen2.5-7B", ServedBase(names=("Qwen/Qwen2.5-0.5B",), family=("qwen2",))),
        ("tiiuae/falcon-40b", ServedBase(names=("falcon-7b",))),
    ],
)
def test_a_name_of_another_family_or_size_is_a_contradiction(name: str, base: ServedBase) -> None:
    assert contradicts(name, base)
