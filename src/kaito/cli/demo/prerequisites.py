"""What the demo needs beside this program."""

import shutil
import subprocess
from pathlib import Path

from kaito.core.errors import KaitoError

MANIFEST = Path("examples/inference/kaito_workspace_phi_3.yaml")


def check_programs() -> None:
    """Raise KaitoError for a program that is missing."""
    for name, remedy in (
        ("kubectl", "See https://kubernetes.io/docs/tasks/tools/ (1.32 or close)."),
        ("curl", "Install it, for example with `apt-get install curl`."),
    ):
        if shutil.which(name) is None:
            raise KaitoError("ProgramMissing", f"{name} is not on PATH.", terminal=True, remedy=remedy)


def find_manifest(named: Path | None) -> Path:
    """Return the manifest: the named one, else the page's, from here or the source tree. KaitoError: it is missing."""
    candidates = [named] if named else [Path.cwd() / MANIFEST, Path(__file__).resolve().parents[4] / MANIFEST]
    for path in candidates:
        if path.is_file():
            return path
    raise KaitoError(
        "NoManifest",
        f"There is no file {candidates[0]}.",
        terminal=True,
        remedy="Run it in a clone of the repository, or name a manifest with --file.",
    )


def kubectl(kubeconfig: Path, *arguments: str) -> str:
    """Return what the real kubectl prints. KaitoError (KubectlFailed) with its own words."""
    done = subprocess.run(  # noqa: S603 - no shell, and the arguments are ours
        [shutil.which("kubectl") or "kubectl", "--kubeconfig", str(kubeconfig), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        command = " ".join(arguments)
        raise KaitoError("KubectlFailed", f"`kubectl {command}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.rstrip()
