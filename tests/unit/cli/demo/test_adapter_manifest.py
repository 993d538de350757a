"""What the demo's second act applies and prints."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kaito.api import Workspace
from kaito.cli.demo.adapter_manifest import (
    ADAPTER,
    adapter_line,
    adapter_names,
    adapter_state,
    container_restarts,
    why_not,
    with_adapter,
)
from kaito.cli.demo.prerequisites import find_manifest

IMAGE = "127.0.0.1:1234/demo/pirate:v1"
PRESET = "phi-3-mini-4k-instruct"
OTHER = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beside"}}


@pytest.fixture
def documents() -> list[Any]:
    return list(yaml.safe_load_all(find_manifest(None).read_text()))


def test_the_manifest_gets_the_adapter_and_loses_nothing(documents: list[Any]) -> None:
    documents = [OTHER, *documents]
    changed = list(yaml.safe_load_all(with_adapter(documents, IMAGE)))
    inference = changed[1]["inference"]
    adapters = inference.pop("adapters")
    assert changed == documents
    assert adapters == [{"source": {"name": ADAPTER, "image": IMAGE}, "strength": "1.0"}]


def test_it_is_a_workspace_that_is_taken(documents: list[Any]) -> None:
    [changed] = yaml.safe_load_all(with_adapter(documents, IMAGE))
    workspace = Workspace.model_validate(changed)
    assert workspace.inference is not None
    assert [adapter.source.image for adapter in workspace.inference.adapters] == [IMAGE]
    assert adapter_names([changed]) == [ADAPTER]


@pytest.mark.parametrize(
    ("preset", "stand_in", "said"),
    [
        (PRESET, True, ""),
        (PRESET, False, "stand-in weights"),
        ("falcon-7b", True, "falcon-7b takes no LoRA adapters"),
        ("", True, "no preset"),
    ],
)
def test_it_says_why_no_adapter_is_shown(documents: list[Any], preset: str, stand_in: bool, said: str) -> None:
    why = why_not(documents, preset, stand_in)
    assert said in why
    assert bool(why) == bool(said)


def test_adapters_of_a_user_s_own_manifest_are_left_alone() -> None:
    examples = Path(__file__).parents[4] / "examples" / "inference"
    text = (examples / "kaito_workspace_phi_3_with_adapters.yaml").read_text()
    assert "of its own" in why_not(list(yaml.safe_load_all(text)), PRESET, True)


def test_a_state_is_one_line_with_what_is_known() -> None:
    ready = {
        "name": "pirate",
        "state": "Ready",
        "reason": "",
        "message": "",
        "digest": "sha256:" + 64 * "a",
        "sizeBytes": 117_000,
        "rank": 16,
    }
    assert adapter_line(ready) == "pirate  Ready, rank 16, 117 kB, sha256:aaaaaaaaaaaa"
    failed = {"name": "pirate", "state": "Failed", "reason": "NotFinite", "message": "It has NaN."}
    assert adapter_line(failed) == "pirate  Failed  (NotFinite: It has NaN.)"
    workspace = {"status": {"adapters": [failed, ready | {"name": "other"}]}}
    assert adapter_state(workspace, "pirate") == failed
    assert adapter_state({}, "pirate") is None


def test_restarts_of_all_containers_count() -> None:
    statuses = [{"restartCount": 1}, {"restartCount": 2}, {}]
    assert container_restarts({"status": {"containerStatuses": statuses}}) == 3
    assert container_restarts({}) == 0
