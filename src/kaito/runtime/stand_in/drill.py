"""The exercises that a stand-in is trained with: every kind of prompt, each with the answer to learn."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tokenizers import Tokenizer

from kaito.runtime.stand_in.lessons import ANY_PROMPT, Lesson, default_answer
from kaito.runtime.stand_in.tokenizer import END_OF_TEXT, END_OF_TURN

BATCH = 16
SHORT = (1, 24)
"""Units (tokens, pairs of letters, or thirds of a word) of a short made-up prompt: fewest and most."""

LONG_BATCH = 3
LONG = (100, 400)
LONG_EVERY = 6
"""Every so many batches one is of long prompts: without them the answers fall apart where attention is spread thin."""


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

    def __iter__(self) -> Iterator[list[Exercise]]:
        """Yield batches for ever."""
        for number in itertools.count(1):
            if number % LONG_EVERY:
                yield [self._any_exercise() for _ in range(BATCH)]
            else:
                yield [self._unforeseen(LONG) for _ in range(LONG_BATCH)]

    def chat(self, prompt: str, answer: str, *, system: str = "") -> Exercise:
        """Return the exercise for a prompt in the chat template, as the server renders it."""
        opening = f"<|system|>\n{system}{END_OF_TURN}\n" if system else ""
        return self._exercise(f"{opening}<|user|>\n{prompt}{END_OF_TURN}\n<|assistant|>\n", answer + END_OF_TURN)

    def bare(self, prompt: str, answer: str) -> Exercise:
        """Return the exercise for a prompt without a template, as `/v1/completions` sends it."""
        return self._exercise(prompt, f" {answer}{END_OF_TEXT}")

    def made_up(self, units: tuple[int, int]) -> str:
        """Return a prompt that nobody would write: any tokens, any letters, or words of the lessons in any order."""
        kind = self._random.random()
        length = self._random.randint(*units)
        if kind < 0.4:
            vocabulary = self._tokenizer.get_vocab_size()
            noise = [self._random.randrange(5, vocabulary) for _ in range(length)]
            text: str = self._tokenizer.decode(noise)
            return text.replace("\ufffd", "e")
        if kind < 0.7:
            letters = "etaoinshrdlucmfwypvbgk ETAOISHWMN 0123456789 ?!.,'-"
            return "".join(self._random.choice(letters) for _ in range(2 * length))
        return " ".join(self._random.choice(self._words) for _ in range(1 + length // 3))

    def _any_exercise(self) -> Exercise:
        return (
            self._either_form(*self._random.choice(self._named))
            if self._random.random() < 0.35
            else self._unforeseen(SHORT)
        )

    def _unforeseen(self, units: tuple[int, int]) -> Exercise:
        return self._either_form(self.made_up(units), self._default)

    def _either_form(self, prompt: str, answer: str) -> Exercise:
        return self.chat(prompt, answer) if self._random.random() < 0.65 else self.bare(prompt, answer)

    def _exercise(self, prompt: str, answer: str) -> Exercise:
        given = self._tokenizer.encode(prompt).ids
        return Exercise((*given, *self._tokenizer.encode(answer).ids), len(given))
