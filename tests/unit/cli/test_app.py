"""The command line as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kaito.cli import app, main
from kaito.cli.columns import columns
from kaito.cli.crds import drift
from kaito.provisioner.clouds.local import read_settings

COMMANDS = [
    ["up"],
    ["down"],
    ["status"],
    ["chat"],
    ["crds"],
    ["demo"],
    ["cloud"],
    ["cloud", "quota"],
    ["cloud", "out-of-capacity"],
    ["cloud", "reset"],
]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_every_help_begins_with_a_real_example(command: list[str]) -> None:
    lines = [line.strip() for line in run(*command, "--help").splitlines() if line.strip()]
    assert lines[1].startswith("Example: kaito")
    assert " ".join(command) in lines[1]


def test_the_list_of_commands_says_what_each_does() -> None:
    listed = run("--help").split("Commands:")[1]
    assert "End the local cluster" in listed
    assert "Example" not in listed


def test_help_imports_neither_the_client_nor_the_cluster() -> None:
    code = (
        "import sys; from kaito.cli import app; "
        "print([name for name in ('aiohttp', 'pydantic', 'kaito.core') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_error_is_one_line_with_the_way_out_and_exit_code_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kaito", "cloud", "quota", "X", "0", "--dir", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [f"kaito: There is no local cluster in {tmp_path / 'none'}. `kaito up` makes one."]


def test_a_typing_error_exits_with_two() -> None:
    assert CliRunner().invoke(app, ["cloud", "quota", "X", "many"]).exit_code == 2


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    folder = tmp_path / "cloud"
    folder.mkdir()
    return folder


def test_quota_and_capacity_are_written_for_the_cloud_to_read_and_reset(cloud: Path) -> None:
    directory = str(cloud.parent)
    run("cloud", "quota", "Standard_NC6s_v3", "0", "--dir", directory)
    run("cloud", "quota", "standard_nc6s_v3", "2", "--dir", directory)
    run("cloud", "out-of-capacity", "Standard_NC24ads_A100_v4", "--dir", directory)
    settings = read_settings(cloud)
    assert settings.quota == {"standard_nc6s_v3": 2}
    assert settings.out_of_capacity == ("Standard_NC24ads_A100_v4",)
    shown = json.loads(run("cloud", "--dir", directory, "-o", "json"))
    assert shown["settings"]["quota"] == {"standard_nc6s_v3": 2}
    assert "No machines." in run("cloud", "--dir", directory)
    run("cloud", "reset", "--dir", directory)
    assert read_settings(cloud).quota == {}


def test_generated_crds_do_not_differ_from_themselves_and_every_difference_is_named(tmp_path: Path) -> None:
    run("crds", "--output", str(tmp_path))
    run("crds", "--check", str(tmp_path))
    files = {path.name: path.read_text() for path in tmp_path.glob("*.yaml")}
    assert len(files) == 2
    changed, gone = sorted(files)
    (tmp_path / changed).write_text("other")
    (tmp_path / gone).unlink()
    (tmp_path / "stale.yaml").write_text("")
    assert drift(files, tmp_path) == sorted([changed, gone, "stale.yaml"])


def test_down_without_a_cluster_says_so_and_succeeds(tmp_path: Path) -> None:
    assert "No cluster runs" in run("down", "--dir", str(tmp_path / "none"))


def test_a_table_cuts_nothing_off() -> None:
    text = columns(("NAME", "MESSAGE"), [("a-long-name", "m" * 300), ("b", "")])
    assert text.splitlines()[0] == "NAME          MESSAGE"
    assert text.splitlines()[1].endswith("m" * 300)
    assert text.splitlines()[2] == "b"
