"""`kaito-runtime serve --model ORG/NAME`: the files are here before vLLM is imported, or the process says why not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub import SIGNATURE, FakeHub
from small_model import COMMIT, NAME, WEIGHTS

from kaito.contracts import WeightsStatus
from kaito.runtime.config.flags import Flags
from kaito.runtime.config.options import ServeOptions
from kaito.runtime.failure import FatalError
from kaito.runtime.serve import Plan, make_plan
from kaito.runtime.serve.from_hub import fetch_model
from kaito.runtime.status import ServerState, StatusBoard


def fetched(folder: Path, *flags: str) -> tuple[Plan, ServeOptions, Plan]:
    """Fetch the model; return the plan before, and options and plan after."""
    options = ServeOptions(model=NAME, vllm=Flags.parse((f"--download-dir={folder}", *flags)))
    plan = make_plan(options)
    status = WeightsStatus(kind="hub", source=NAME, loadedBytes=0, totalBytes=0)
    board = StatusBoard(ServerState(model=NAME, weights=status, entered=0.0), time.monotonic)
    return plan, *fetch_model(options, plan, board)


def test_vllm_is_started_with_the_folder_and_clients_see_the_repository(hub: FakeHub, tmp_path: Path) -> None:
    plan, options, after = fetched(tmp_path, f"--revision={COMMIT}")
    folder = tmp_path / "models--org--small-model" / "snapshots" / COMMIT
    assert after.config.flags.value("model") == options.model == str(folder)
    assert after.config.names == plan.config.names == (NAME,)
    assert (after.weights.kind, after.weights.source, after.weights.total_bytes) == ("hub", NAME, len(WEIGHTS))
    assert after.weights.config == {"model_type": "qwen2"}
    assert not list(folder.glob("*.py"))


def test_a_model_s_own_code_comes_with_it_where_the_server_may_run_it(hub: FakeHub, tmp_path: Path) -> None:
    _, options, _ = fetched(tmp_path, f"--revision={COMMIT}", "--trust-remote-code")
    assert [path.name for path in Path(options.model).glob("*.py")] == ["modeling_small.py"]


def test_code_runs_from_no_branch_though_another_flag_names_a_commit(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="--revision") as caught:
        fetched(tmp_path, "--revision=main", f"--code-revision={COMMIT}", "--trust-remote-code")
    assert caught.value.reason == "InvalidFlag"
    assert not hub.sent


def serving(hub: FakeHub, folder: Path) -> subprocess.Popen[str]:
    arguments = ["serve", f"--model={NAME}", f"--download-dir={folder}", "--host=127.0.0.1", "--port=0"]
    command = [sys.executable, "-m", "kaito.runtime.main", *arguments, "--kaito-admin-port=0"]
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_model_that_cannot_be_had_ends_the_process_with_reason_and_remedy(hub: FakeHub, tmp_path: Path) -> None:
    hub.repositories[NAME].gated = True
    with serving(hub, tmp_path) as process:
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert '"reason": "ModelAccessRequired"' in said
    assert "modelAccessSecret" in said
    assert "vllm" not in said.lower()


def test_a_process_that_still_downloads_ends_at_once_and_has_not_logged_the_links(hub: FakeHub, tmp_path: Path) -> None:
    hub.troubles.cuts, hub.troubles.cut_after = ["close", "stall"], 1000
    with serving(hub, tmp_path) as process:
        while hub.sent["model.safetensors"] < 2000:
            assert process.poll() is None
        process.terminate()
        said = process.communicate(timeout=5)[1]
    assert process.returncode == 0
    assert "ended before it was ready" in said
    assert SIGNATURE not in said
