import json
import subprocess
import sys
from pathlib import Path

import pytest

from kaito.runtime.main import main


@pytest.mark.parametrize(
    "argv", [["--help"], ["serve", "--help"], ["stand-in", "--help"], ["stand-in-adapter", "--help"]]
)
def test_help_begins_with_a_real_example(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    assert "example:\n  kaito-runtime" in capsys.readouterr().out


def test_the_command_line_imports_nothing_heavy() -> None:
    heavy = ("torch", "vllm", "aiohttp", "transformers")
    code = f"import sys, kaito.runtime.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_model_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--max-model-len=4"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("kaito-runtime: InvalidFlag: --model is missing.")


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kaito.runtime.main", *argv], capture_output=True, text=True, timeout=60
    )


def test_the_effective_config_is_printed_without_starting_anything(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    done = run(
        "serve", f"--model={tmp_path}", "--served-model-name=phi", "--api-key=hunter2", "--print-effective-config"
    )
    content = json.loads(done.stdout)
    assert done.returncode == 0
    assert content["models"] == ["phi"]
    assert "hunter2" not in done.stdout
    assert f"--model={tmp_path}" in content["argv"]


def test_a_missing_folder_of_weights_ends_with_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    done = run("serve", f"--model={tmp_path}/none", "--host=127.0.0.1", "--port=0", "--kaito-admin-port=0")
    last = json.loads(done.stderr.splitlines()[-1])
    assert done.returncode == 1
    assert (last["event"], last["reason"]) == ("failed", "ModelNotFound")
    assert last["remedy"]
    assert "Traceback" not in done.stderr
