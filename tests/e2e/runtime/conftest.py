"""Stand-in weights and LoRA adapters for a real vLLM on this machine's CPU. One server runs at a time."""

import subprocess
from pathlib import Path

import pytest
from runtime.adapter_files import write_adapter
from runtime.server import KAITO_RUNTIME, PRESET


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished stand-in, made by the command as a pod's init container makes it."""
    folder = tmp_path_factory.mktemp("weights")  # exists and is empty, as a mount point is
    command = [KAITO_RUNTIME, "stand-in", f"--preset={PRESET}", "--architecture=Phi3ForCausalLM", f"--output={folder}"]
    subprocess.run(command, check=True, timeout=300)
    return folder


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of adapters: a good one, one cut short, one of a rank that is too large, and an empty folder."""
    folder = tmp_path_factory.mktemp("adapters")
    write_adapter(folder / "pirate")
    write_adapter(folder / "cut")
    with (folder / "cut" / "adapter_model.safetensors").open("r+b") as file:
        file.truncate(3000)
    write_adapter(folder / "wide", rank=32)
    (folder / "empty").mkdir()
    return folder
