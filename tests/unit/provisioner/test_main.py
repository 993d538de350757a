"""The command line of kaito-provisioner."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kaito.core import KaitoError
from kaito.core.manager import installed_controllers
from kaito.provisioner import ProvisionerOptions, machine_controller, make_cloud
from kaito.provisioner.main import GROUP, options_of, parser


def test_the_reconciler_is_found_by_its_entry_point() -> None:
    assert installed_controllers(GROUP, "kaito", "machine")["machine"].load() is machine_controller


def test_flags_become_options() -> None:
    options = options_of(parser().parse_args(["--cloud-dir", "/c", "--registration-timeout", "5"]))
    assert (options.cloud, options.cloud_dir, options.limits.registration) == ("local", Path("/c"), 5.0)
    assert options.limits.launch == 900


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ProvisionerOptions(cloud="azure"), ["--cloud azure", "local"]),
        (ProvisionerOptions(cloud="local"), ["--cloud-dir"]),
    ],
)
def test_a_cloud_that_cannot_be_used_is_one_clear_error(
    options: ProvisionerOptions, words: list[str], world: Any
) -> None:
    with pytest.raises(KaitoError) as refused:
        make_cloud(options, world.clock, world.server)
    for word in words:
        assert word in str(refused.value)


def test_help_begins_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(["--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert said.index("kaito-provisioner --kubeconfig") < said.index("--metrics-address")


def test_an_unknown_cloud_ends_the_process_with_one_line(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        """\
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: a, user: {token: t}}]
"""
    )
    command = [sys.executable, "-m", "kaito.provisioner.main", "--kubeconfig", str(kubeconfig), "--cloud", "azure"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("kaito-provisioner: UnknownCloud: --cloud azure is not a cloud of this provisioner. ")
    assert line.endswith("The clouds are: local, kwok.")
