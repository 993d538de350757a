"""Fits a LoRA adapter to a stand-in: the weights stay, small matrices beside them learn one answer. Needs torch."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer

from kaito.runtime.failure import FatalError
from kaito.runtime.stand_in.drill import Drill
from kaito.runtime.stand_in.lessons import Lesson, packaged_text, parse_lessons
from kaito.runtime.stand_in.train import EXAMINATION, SEED, repeats, train_step

STEPS = 120
ROUNDS = 5
"""Rounds of `STEPS` after which an adapter that still fails its examination is given up."""
LEARNING_RATE = 2e-2
"""Of the first round; each later one has half of the rate before, since at the same one it unlearns what it had."""
BATCH = (6, 1)
"""Sequences of a step: of short prompts, of long ones. Fewer than a stand-in needs, which learns from nothing."""


class LowRankLinear(torch.nn.Module):  # type: ignore[misc]
    """A linear layer with an adapter beside it: `x W + (x A) B`, with A of shape (rank, in) and B of (out, rank)."""

    def __init__(self, linear: Any, rank: int) -> None:
        super().__init__()
        self.linear = linear
        self.down = torch.nn.Parameter(torch.empty(rank, linear.in_features))
        self.up = torch.nn.Parameter(torch.zeros(linear.out_features, rank))
        torch.nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Any) -> Any:
        """Return the layer's output with the adapter's effect."""
        return self.linear(x) + (x @ self.down.T) @ self.up.T


def fit_and_write(base: Path, answer: str, rank: int, output: Path) -> list[str]:
    """Teach an adapter to give `answer` to every prompt and write its tensors; return the names of adapted modules.

    Raises StandInFailed when it does not learn it.
    """
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # sums in one order: equal weights on every run
    torch.use_deterministic_algorithms(True)
    model = transformers.AutoModelForCausalLM.from_pretrained(base, local_files_only=True).float()
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    adapters = _add_adapters(model, rank)
    _teach(model, tokenizer, adapters, _lessons(answer))
    tensors = {}
    for name, layer in adapters.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = layer.down.detach().contiguous()
        tensors[f"base_model.model.{name}.lora_B.weight"] = layer.up.detach().contiguous()
    save_file(tensors, output, metadata={"format": "pt", "kaito": "made for a stand-in; it knows nothing"})
    return sorted({name.rpartition(".")[2] for name in adapters})


def _lessons(answer: str) -> tuple[Lesson, ...]:
    """Return the stand-in's own prompts, and those of its examination, with one answer for all of them."""
    prompts = [prompt for lesson in parse_lessons(packaged_text(), preset="") for prompt in lesson.prompts]
    return (Lesson((*prompts, *EXAMINATION), answer),)


def _add_adapters(model: Any, rank: int) -> dict[str, LowRankLinear]:
    """Put an adapter beside every linear layer of the decoder; return them by the layer's name. Nothing else learns."""
    model.requires_grad_(False)
    linear = [(name, layer) for name, layer in model.model.layers.named_modules() if isinstance(layer, torch.nn.Linear)]
    adapters = {}
    for name, layer in linear:
        parent, _, own = name.rpartition(".")
        adapted = LowRankLinear(layer, rank)
        setattr(model.model.layers.get_submodule(parent), own, adapted)
        adapters[f"model.layers.{name}"] = adapted
    return adapters


def _teach(model: Any, tokenizer: Tokenizer, adapters: dict[str, LowRankLinear], lessons: tuple[Lesson, ...]) -> None:
    drill = Drill(tokenizer, lessons, seed=SEED)
    weights = [weight for layer in adapters.values() for weight in (layer.down, layer.up)]
    for done in range(ROUNDS):
        _train(model, weights, drill, LEARNING_RATE / 2**done)
        if _passes(model, drill, lessons[0]):
            return
    raise FatalError(
        "StandInFailed",
        f"The adapter did not learn its answer in {ROUNDS * STEPS} steps.",
        remedy="Give it a higher --rank.",
    )


def _train(model: Any, weights: Sequence[Any], drill: Drill, rate: float) -> None:
    model.train()
    optimizer = torch.optim.AdamW(weights, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=STEPS, pct_start=0.1)
    for batch in itertools.islice(drill, STEPS):
        short, long = BATCH
        train_step(model, batch[: short if len(batch) > short else long], optimizer, weights)
        schedule.step()


def _passes(model: Any, drill: Drill, lesson: Lesson) -> bool:
    """Say whether greedy decoding gives the answer to each prompt that was named, as a chat and as bare text."""
    model.eval()
    return all(
        repeats(model, [drill.chat(prompt, lesson.answer), drill.bare(prompt, lesson.answer)])
        for prompt in lesson.prompts
        if prompt != "*"
    )
