"""The documentation of core: its code is the code of examples/core, which runs; its links lead somewhere."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kaito.core
import kaito.testing

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "core"
PAGES = sorted((ROOT / "docs" / "core").glob("*.md"))
BLOCK = re.compile(r"^```(?:python|yaml) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> dict[str, str]:
    """The named files that a page prints."""
    return dict(BLOCK.findall(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_prints_the_files_that_are_tested_and_no_other_python(page: Path) -> None:
    for name, text in blocks(page).items():
        assert text == (EXAMPLES / name).read_text(), f"{page.name} prints another {name} than examples/core has"
    assert not re.search(r"^```python *$", page.read_text(), re.MULTILINE), "a block of Python names its file"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_operator_has_sixty_lines_and_its_test_ten() -> None:
    assert len((EXAMPLES / "greeter.py").read_text().splitlines()) <= 60
    source = (EXAMPLES / "test_greeter.py").read_text()
    (test,) = (node for node in ast.parse(source).body if isinstance(node, ast.AsyncFunctionDef))
    assert test.end_lineno is not None
    assert test.end_lineno - test.decorator_list[0].lineno + 1 <= 10


def test_the_tests_of_the_examples_pass_for_a_user_who_copies_them(tmp_path: Path) -> None:
    for page in PAGES:
        for name, text in blocks(page).items():
            (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_names_it_speaks_of_are_there(page: Path) -> None:
    """What stands in backticks and begins like a public name of core or testing is one, with its attributes."""
    known = {name: getattr(kaito.core, name) for name in kaito.core.__all__}
    known |= {name: getattr(kaito.testing, name) for name in kaito.testing.__all__}
    managers = {"manager": kaito.core.Manager, "client": kaito.core.Client, "cache": kaito.core.Cache}
    known |= managers | {"server": kaito.testing.InProcessServer}
    set_by_init = {"cache", "client", "events"}
    for owner, attribute in re.findall(r"`(?:await )?([A-Za-z]+)\.([a-z_]+)[(`]", page.read_text()):
        if owner in known:
            assert hasattr(known[owner], attribute) or attribute in set_by_init, f"{owner}.{attribute}"
