"""The guide to adapters: it knows every reason, its files are there, and its manifests are taken."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from kaito.api import InferenceSpec, Workspace
from kaito.contracts import AdapterPhase, AdapterReason

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "adapters.md"
EXAMPLE = ROOT / "examples" / "inference" / "kaito_workspace_phi_3_with_demo_adapter.yaml"


def test_every_reason_has_a_row_that_says_what_to_do() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = {reason for row in rows for reason in re.findall(r"`([A-Za-z]+)`", row.split("|")[1])}
    assert named >= set(get_args(AdapterReason))


def test_every_state_is_named() -> None:
    text = PAGE.read_text()
    assert [
        phase for phase in get_args(AdapterPhase) if phase not in text and phase not in ("Failed", "Draining")
    ] == []


def test_its_manifest_is_taken() -> None:
    [block] = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    inference = InferenceSpec.model_validate(yaml.safe_load(block)["inference"])
    assert inference.adapters[0].source.name == "pirate"


def test_the_example_is_the_first_quick_start_with_an_adapter() -> None:
    plain = yaml.safe_load((EXAMPLE.parent / "kaito_workspace_phi_3.yaml").read_text())
    example = yaml.safe_load(EXAMPLE.read_text())
    Workspace.model_validate(example)
    adapters = example["inference"].pop("adapters")
    assert example == plain
    assert f"{adapters[0]['source']['image'].partition('/')[2]}=" in PAGE.read_text(), "the page serves this image"


@pytest.mark.parametrize("page", [PAGE, ROOT / "README.md"], ids=lambda page: page.name)
def test_what_it_names_is_there(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target
    for file in re.findall(r"(?<![\w/])(?:examples|hack)/[\w./-]+", text):
        assert (ROOT / file).exists(), file
