"""The exercises that a stand-in is trained with: every kind of prompt, each with the answer to learn."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tokenizers import Tokenizer

from kaito.runtime.stand_in.lessons import ANY_PROMPT, Lesson, default_answer
from kaito.runtime.stand_in.tokenizer import END_OF_TEXT, END_OF_TURN

LONGEST_NOISE = 40
"""Tokens of the longest made-up prompt."""


@dataclass(frozen=True)
class Exercise:
    """Token numbers of one sequence. The first `given` are the prompt; the rest is to be learnt."""

    tokens: tuple[int, ...]
    given: int


class Drill:
    """An endless, repeatable mix of prompts: named ones, made-up ones, as a chat and as bare text.

    Made-up prompts are what makes the answers hold for prompts that nobody foresaw.
    """

    def __init__(self, tokenizer: Tokenizer, lessons: tuple[Lesson, ...], *, seed: int) -> None:
        self._tokenizer = tokenizer
        self._lessons = lessons
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._named = [
            (prompt, lesson.answer) for lesson in lessons for prompt in lesson.prompts if prompt != ANY_PROMPT
        ]
        self._default = default_answer(lessons)
        self._words = sorted({word for prompt, answer in self._named for word in f"{prompt} {answer}".split()})

    def __iter__(self) -> Iterator[Exercise]:
        """Yield exercises for ever."""
        while True:
            prompt, answer = self._random.choice(self._named) if self._random.random() < 0.35 else self._made_up()
            yield self.chat(prompt, answer) if self._random.random() < 0.65 else self.bare(prompt, answer)

    def chat(self, prompt: str, answer: str, *, system: str = "") -> Exercise:
        """Return the exercise for a prompt in the chat template, as the server renders it."""
        opening = f"<|system|>\n{system}{END_OF_TURN}\n" if system else ""
        return self._exercise(f"{opening}<|user|>\n{prompt}{END_OF_TURN}\n<|assistant|>\n", answer + END_OF_TURN)

    def bare(self, prompt: str, answer: str) -> Exercise:
        """Return the exercise for a prompt without a template, as `/v1/completions` sends it."""
        return self._exercise(prompt, f" {answer}{END_OF_TEXT}")

    def _made_up(self) -> tuple[str, str]:
        kind = self._random.random()
        length = self._random.randint(1, LONGEST_NOISE)
        if kind < 0.4:
            vocabulary = self._tokenizer.get_vocab_size()
            noise = [self._random.randrange(5, vocabulary) for _ in range(length)]
            return self._tokenizer.decode(noise).replace("\ufffd", "e"), self._default
        if kind < 0.7:
            letters = "etaoinshrdlucmfwypvbgk ETAOISHWMN 0123456789 ?!.,'-"
            return "".join(self._random.choice(letters) for _ in range(2 * length)), self._default
        return " ".join(self._random.choice(self._words) for _ in range(1 + length // 3)), self._default

    def _exercise(self, prompt: str, answer: str) -> Exercise:
        given = self._tokenizer.encode(prompt).ids
        return Exercise((*given, *self._tokenizer.encode(answer).ids), len(given))
