"""Fits a tiny model of a real architecture to its drill. Needs torch and transformers; everything is repeatable."""

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer

from kaito.runtime.failure import FatalError
from kaito.runtime.stand_in.architectures import MAX_POSITION_EMBEDDINGS, Architecture
from kaito.runtime.stand_in.drill import Drill, Exercise
from kaito.runtime.stand_in.lessons import Lesson, default_answer
from kaito.runtime.stand_in.tokenizer import END_OF_TEXT, END_OF_TURN, tokenizer_files, train_tokenizer

SEED = 20240501
STEPS = 180
ROUNDS = 5
"""Rounds of `STEPS` after which a model that still fails its examination is given up."""
LEARNING_RATE = 8e-3
SHARPENING = 4.0
"""Factor on the output layer after training: sampling at temperature 1 then repeats what was learnt, as greedy does."""

EXAMINATION = (
    "YOUR QUESTION HERE",
    "What is the capital of France?",
    "Write a poem about the sea.",
    "zq 77",
    "Erzähl mir etwas",
)
"""Prompts that no lesson names; each must get the default answer, word for word, and so must all of them together."""

_NOT_LEARNT = -100  # torch's cross entropy skips this label


def fit(architecture: Architecture, lessons: tuple[Lesson, ...]) -> tuple[Any, Tokenizer]:
    """Return a model that answers as the lessons say, and its tokenizer. Raises StandInFailed."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # sums in one order: equal weights on every run
    torch.use_deterministic_algorithms(True)
    tokenizer = train_tokenizer([f"{prompt}\n {lesson.answer}" for lesson in lessons for prompt in lesson.prompts])
    drill = Drill(tokenizer, lessons, seed=SEED)
    model = _blank_model(architecture, tokenizer)
    for _ in range(ROUNDS):
        _train(model, itertools.islice(drill, STEPS))
        if _passes(model, tokenizer, drill, lessons):
            with torch.no_grad():
                model.get_output_embeddings().weight.mul_(SHARPENING)
            return model, tokenizer
    raise FatalError(
        "StandInFailed",
        f"The stand-in did not learn its text in {ROUNDS * STEPS} steps.",
        remedy="Shorten the text given by --text, or leave the flag out to use the packaged one.",
    )


def write(model: Any, tokenizer: Tokenizer, folder: Path, *, extra_config: dict[str, object]) -> None:
    """Write the model in the layout of the hub: configuration, model.safetensors, tokenizer."""
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder, safe_serialization=True)
    config_file = folder / "config.json"
    config = json.loads(config_file.read_bytes()) | extra_config
    config_file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    ends = [tokenizer.token_to_id(END_OF_TURN), tokenizer.token_to_id(END_OF_TEXT)]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}) + "\n", encoding="utf-8")
    for name, content in tokenizer_files(tokenizer, max_length=MAX_POSITION_EMBEDDINGS).items():
        (folder / name).write_bytes(content)


def _blank_model(architecture: Architecture, tokenizer: Tokenizer) -> Any:
    vocabulary = 64 * math.ceil(tokenizer.get_vocab_size() / 64)  # vLLM pads to 64 rows
    end = tokenizer.token_to_id(END_OF_TEXT)
    assert end is not None
    settings = architecture.settings(vocabulary=vocabulary, end_token=end, pad_token=end)
    config = getattr(transformers, architecture.config_class)(**settings)
    return getattr(transformers, architecture.model_class)(config).float()


def _train(model: Any, batches: Iterable[Sequence[Exercise]]) -> None:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS, pct_start=0.1)
    for batch in batches:
        train_step(model, batch, optimizer, list(model.parameters()))
        schedule.step()


def train_step(model: Any, batch: Sequence[Exercise], optimizer: Any, weights: Sequence[Any]) -> None:
    """Change the optimizer's `weights` by one step towards the answers of a batch."""
    tokens, labels = _collate(batch)
    logits = model(input_ids=tokens, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=_NOT_LEARNT
    )
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()


def repeats(model: Any, exercises: Sequence[Exercise]) -> bool:
    """Say whether greedy decoding gives every exercise's answer, word for word."""
    tokens, labels = _collate(exercises)
    with torch.no_grad():
        guesses = model(input_ids=tokens, use_cache=False).logits[:, :-1].argmax(-1)
    wanted = labels[:, 1:]
    return bool(((guesses == wanted) | (wanted == _NOT_LEARNT)).all())


def _collate(batch: Sequence[Exercise]) -> tuple[Any, Any]:
    """Return tokens and labels, padded on the right: attention is causal, so padding is never looked at."""
    longest = max(len(exercise.tokens) for exercise in batch)
    tokens = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full((len(batch), longest), _NOT_LEARNT, dtype=torch.long)
    for row, exercise in enumerate(batch):
        sequence = torch.tensor(exercise.tokens)
        tokens[row, : len(sequence)] = sequence
        labels[row, exercise.given : len(sequence)] = sequence[exercise.given :]
    return tokens, labels


def _passes(model: Any, tokenizer: Tokenizer, drill: Drill, lessons: tuple[Lesson, ...]) -> bool:
    """Say whether greedy decoding repeats the learnt answer for every unforeseen prompt, as a chat and as bare text."""
    model.eval()
    answer = default_answer(lessons)
    prompts = (*EXAMINATION, " ".join(EXAMINATION), " ".join(8 * EXAMINATION))
    return all(repeats(model, [drill.chat(prompt, answer), drill.bare(prompt, answer)]) for prompt in prompts)
