"""Progress that one process writes and another reads along."""

from pathlib import Path

from kaito.local.supervisor.steps import Step, StepFile


def test_steps_are_read_once_each_and_a_torn_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    reader, writer = StepFile(path), StepFile(path)
    assert reader.read() == []
    writer.clear()
    writer(Step("one", "started"))
    assert [step.name for step in reader.read()] == ["one"]
    with path.open("ab") as file:
        file.write(b'{"name":"two",')
    assert reader.read() == []
    with path.open("ab") as file:
        file.write(b'"state":"done","seconds":1.5}\n')
    assert reader.read() == [Step("two", "done", 1.5)]
    assert reader.read() == []
