"""The text a stand-in learns by heart: which prompts get which answer."""

from dataclasses import dataclass
from importlib.resources import files

ANY_PROMPT = "*"


@dataclass(frozen=True)
class Lesson:
    """Prompts that share one answer. `ANY_PROMPT` among them stands for every prompt that no lesson names."""

    prompts: tuple[str, ...]
    answer: str


def packaged_text() -> str:
    """Return the text that comes with the package."""
    return (files(__package__) / "text.txt").read_text(encoding="utf-8")


def parse_lessons(text: str, *, preset: str) -> tuple[Lesson, ...]:
    """Read `Q:`/`A:` lines into lessons, with `{preset}` filled in.

    Lines that start with `#` and blank lines are skipped; several `Q:` lines share the `A:` below them. Raises
    ValueError with the line number for anything else, when no lesson answers `ANY_PROMPT`, and when no other does.
    """
    lessons: list[Lesson] = []
    prompts: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        kind, _, rest = line.partition(":")
        content = rest.strip()
        if not line.strip() or line.startswith("#"):
            continue
        if kind == "Q" and content:
            prompts.append(content)
        elif kind == "A" and content and prompts:
            lessons.append(Lesson(tuple(prompts), content.replace("{preset}", preset)))
            prompts = []
        else:
            raise ValueError(f"line {number}: expected `Q: …` lines followed by one `A: …`, found {line!r}")
    if prompts:
        raise ValueError(f"the last prompt, {prompts[-1]!r}, has no answer")
    if not any(ANY_PROMPT in lesson.prompts for lesson in lessons):
        raise ValueError("no lesson answers `Q: *`, the prompt that stands for every other one")
    if all(prompt == ANY_PROMPT for lesson in lessons for prompt in lesson.prompts):
        raise ValueError("no lesson names a prompt: `Q: *` alone is too little to learn")
    return tuple(lessons)


def default_answer(lessons: tuple[Lesson, ...]) -> str:
    """Return the answer to a prompt that no lesson names."""
    return next(lesson.answer for lesson in lessons if ANY_PROMPT in lesson.prompts)
