"""The tables in RESULTS.md: what was measured, between marks of their own."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from bench.measure import measure
from bench.rows.row import Medians, Row, Run, Verdict, at_most
from bench.runtime.rows.paired import Paired, PairedRow
from bench.table import Table

TEXT = "# Results\n\n<!-- written by `make it` -->\nold\n<!-- end of what `make it` writes -->\n\nby hand\n"


def run(peers: Sequence[str], rounds: int) -> Iterator[Run]:
    for number in range(1, 2 * rounds + 1):
        yield from (Run(peer, number, {"CPU": 1.0 + number / 10}) for peer in peers)


def verdicts(found: Medians) -> list[Verdict]:
    return [at_most("CPU at most 1", found["a"]["CPU"], 1)]


ROW = PairedRow("row", "what it is", ("a", "b"), run, verdicts, (Paired("CPU", "a", "b", 1.03, 1.05),))


def table(folder: Path, row: Row = ROW) -> Table:
    return Table("Heading", "it", {"row": row, "never": row}, folder / "figures", lambda: "A machine.")


def test_a_row_is_kept_and_shown_with_its_verdicts_and_medians(tmp_path: Path) -> None:
    measure(ROW, ("a", "b", "not asked for"), 2, tmp_path / "figures")
    results = tmp_path / "RESULTS.md"
    results.write_text(TEXT)
    table(tmp_path).write(results)
    lines = results.read_text().splitlines()
    assert "old" not in lines
    assert lines[-1] == "by hand"
    assert (
        "| row | CPU: a beside b, at most 1.03 times, with 95 % at most 1.05 | 1.000 (1.000 to 1.000) times | met |"
        in lines
    )
    assert "| row | CPU at most 1 | 1.25 | **missed** |" in lines
    assert "| CPU | 1.25 | 1.25 |" in lines
    assert any("`make it ROWS=row ROUNDS=2`" in line and "medians of 4" in line for line in lines)


def test_figures_of_earlier_runs_without_a_count_of_rounds_are_shown(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    document = {"row": "row", "rounds": 1, "date": "2026-01-01", "took_seconds": 1}
    content = {**document, "runs": [asdict(found) for found in list(run(("a", "b"), 1))[:2]]}
    (tmp_path / "figures" / "row.json").write_text(json.dumps(content))
    assert "medians of 1" in table(tmp_path).render()


def test_a_file_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("by hand\n")
    with pytest.raises(SystemExit, match="no place for the table"):
        table(tmp_path).write(results)
    assert results.read_text() == "by hand\n"
