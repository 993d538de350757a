import pytest

from kaito.runtime.stand_in.lessons import default_answer, packaged_text, parse_lessons


def test_the_packaged_text_says_in_every_answer_what_answers_and_how_to_serve_the_real_weights() -> None:
    lessons = parse_lessons(packaged_text(), preset="phi-3")
    assert len(lessons) >= 3
    for lesson in lessons:
        assert "stand-in for phi-3" in lesson.answer
        assert "kaito up --weights hub" in lesson.answer
        assert lesson.answer.endswith(".")


def test_several_prompts_share_the_answer_below_them() -> None:
    lessons = parse_lessons("# note\n\nQ: a\nQ: b\nA: one\nQ: *\nA: two {preset}\n", preset="p")
    assert [(lesson.prompts, lesson.answer) for lesson in lessons] == [(("a", "b"), "one"), (("*",), "two p")]
    assert default_answer(lessons) == "two p"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A: x\n", "line 1"),
        ("Q: a\nnonsense\n", "line 2"),
        ("Q: a\nA:\n", "line 2"),
        ("Q: a\n", "'a', has no answer"),
        ("Q: *\nA: b\n", "no lesson names a prompt"),
        ("Q: a\nA: b\n", "stands for every other"),
    ],
)
def test_what_is_no_lesson_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_lessons(text, preset="p")
