"""A small model on a fake hub, where `HF_ENDPOINT` says. The public hub was never asked by these tests."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hub import FakeHub, Repository
from small_model import COMMIT, FILES, NAME

if TYPE_CHECKING:
    from kaito.runtime.hub import HubModel

collect_ignore_glob = [] if importlib.util.find_spec("huggingface_hub") else ["test_*.py"]
"""It comes with vLLM: beside the control plane alone there is none."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub(Repository(NAME, FILES, commit=COMMIT), tokens={"hf_reader", "hf_other"}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/none")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


@pytest.fixture
def model(hub: FakeHub, tmp_path: Path) -> "HubModel":
    from kaito.runtime.hub import HubModel

    return HubModel(NAME, COMMIT, tmp_path / "cache")
