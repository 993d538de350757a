"""Last words of a process that ended."""

from pathlib import Path

import pytest

from kaito.local.supervisor.readiness import last_words


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "it wrote no log"),
        ("kaito-apiserver: port 1 is in use\n\n", "kaito-apiserver: port 1 is in use"),
        ('{"level":"error","msg":"cannot start","error":"no token"}\n', "cannot start no token"),
        ("[1, 2]\n", "[1, 2]"),
    ],
)
def test_the_last_line_of_the_log_is_what_it_said(tmp_path: Path, log: str, said: str) -> None:
    path = tmp_path / "log"
    path.write_text(log)
    assert last_words(path) == said


def test_a_missing_log_is_no_error(tmp_path: Path) -> None:
    assert last_words(tmp_path / "none") == "it wrote no log"
