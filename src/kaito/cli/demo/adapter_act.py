"""The demo's second act: an adapter comes to the running Workspace, answers, and leaves it again."""

import asyncio
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console

from kaito.cli.demo.adapter_manifest import (
    ADAPTER,
    REPOSITORY,
    adapter_entry,
    adapter_line,
    adapter_names,
    adapter_state,
    container_restarts,
    why_not,
    with_adapter,
)
from kaito.cli.demo.prerequisites import kubectl
from kaito.cli.demo.questions import ask_chat, ask_model, chat_command
from kaito.cli.kinds import WORKSPACE, WORKSPACE_LABEL
from kaito.contracts import STAND_IN_MARKER
from kaito.core import Client, Clock, ConnectionLostError, Key, Object
from kaito.core.errors import KaitoError
from kaito.core.kinds import POD
from kaito.local.directory import ClusterDirectory
from kaito.local.image_server import serve_images

QUESTION: Final = "What is Kubernetes?"
POLL_SECONDS: Final = 0.1
WITHIN_SECONDS: Final = 60.0
"""Longest wait for an adapter to come or to leave: it takes a second or two."""

MAKING_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Stage:
    """What an act plays on."""

    console: Console
    client: Client
    clock: Clock
    paths: ClusterDirectory
    kubeconfig: Path
    file: Path
    key: Key

    def say(self, text: str) -> None:
        """Print a line as it is."""
        self.console.print(text, highlight=False, markup=False)

    def kubectl(self, *arguments: str) -> None:
        """Type a kubectl command and print what it prints."""
        self.console.print(f"\n[bold]$ kubectl {' '.join(arguments)}[/bold]", highlight=False)
        self.say(kubectl(self.kubeconfig, *arguments))


async def play(stage: Stage, preset: str, host: str) -> None:
    """Show an adapter on the running Workspace of `preset` that answers at `host`, or say why there is none to show.

    KaitoError when the adapter does not come or leave, and when a pod was restarted for it.
    """
    documents = list(yaml.safe_load_all(stage.file.read_text()))
    base = stage.paths.weights / preset
    if why := why_not(documents, preset, (base / STAND_IN_MARKER).is_file()):
        stage.console.print(f"\nNo adapter is shown: {why}.", highlight=False)
        return
    stage.console.print("\n[bold]An adapter for the running Workspace[/bold]", highlight=False)
    layout = await asyncio.to_thread(_make_image, stage, base)
    async with serve_images({REPOSITORY: layout}) as registry:
        stage.say(f" ✓ {registry}/{REPOSITORY} can be pulled")
        changed = stage.paths.demo / f"{stage.file.stem}-with-adapter.yaml"
        changed.write_text(with_adapter(documents, f"{registry}/{REPOSITORY}"))
        try:
            await _with_adapter(stage, changed, f"{registry}/{REPOSITORY}", preset, host)
        except BaseException:
            with suppress(KaitoError):  # the first failure is the one to tell
                kubectl(stage.kubeconfig, "apply", "-f", str(stage.file))
            raise
        await _without_adapter(stage, host)


async def wait_for_leftover(stage: Stage) -> None:
    """Wait until the adapter of an earlier demo that was cut short has left: its manifest was applied again."""
    if ADAPTER not in adapter_names(list(yaml.safe_load_all(stage.file.read_text()))):
        await _until(stage, lambda workspace: adapter_state(workspace, ADAPTER) is None, "has not left")


def _make_image(stage: Stage, base: Path) -> Path:
    """Make the adapter, unless it is there, and pack it; return the image layout."""
    stage.say(f"   … making the adapter {ADAPTER}: a few seconds of training, once")
    stage.paths.demo.mkdir(mode=0o700, exist_ok=True)
    layout = stage.paths.demo / f"{ADAPTER}-{base.name}-image"
    output = stage.paths.demo / f"{ADAPTER}-{base.name}"
    command = [sys.executable, "-m", "kaito.runtime.main", "stand-in-adapter", f"--style={ADAPTER}"]
    command += [f"--base={base}", f"--output={output}", f"--layout={layout}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAKING_SECONDS, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired as error:
        raise KaitoError("AdapterFailed", f"The adapter was not made in {MAKING_SECONDS:.0f} s.") from error
    if done.returncode != 0:
        raise KaitoError("AdapterFailed", f"The adapter could not be made: {done.stderr.strip()[-500:]}")
    return layout


async def _with_adapter(stage: Stage, changed: Path, image: str, preset: str, host: str) -> None:
    """Apply the changed manifest, wait for the adapter, and ask by each name."""
    before = await _pods(stage)
    stage.kubectl("get", "pod", "-n", stage.key.namespace, "-l", f"{WORKSPACE_LABEL}={stage.key.name}")
    stage.console.print("\nThe Workspace gets these lines under `inference`:", highlight=False)
    stage.say("  " + yaml.safe_dump(adapter_entry(image), sort_keys=False).strip().replace("\n", "\n  "))
    begun = stage.clock.monotonic()
    stage.kubectl("apply", "-f", str(changed))
    state = await _until(stage, _is_ready, "is not ready")
    seconds = stage.clock.monotonic() - begun
    await _check_pods(stage, before)
    stage.say(f" ✓ {adapter_line(adapter_state(state, ADAPTER) or {})}")
    stage.say(f" ✓ from apply to Ready {seconds:.1f} s, in the same pod, not restarted")
    stage.kubectl("get", "pod", "-n", stage.key.namespace, "-l", f"{WORKSPACE_LABEL}={stage.key.name}")
    for model in (preset, ADAPTER):
        stage.console.print(f"\n[bold]openai: completions.create(model={model!r}, prompt={QUESTION!r})[/bold]")
        stage.say(await asyncio.to_thread(ask_model, host, model, QUESTION))
    await _chat(stage, host)


async def _without_adapter(stage: Stage, host: str) -> None:
    """Apply the original manifest again, and ask again."""
    before = await _pods(stage)
    stage.console.print("\nApplied as it was, without these lines, the adapter leaves:", highlight=False)
    begun = stage.clock.monotonic()
    stage.kubectl("apply", "-f", str(stage.file))
    await _until(stage, lambda workspace: adapter_state(workspace, ADAPTER) is None, "has not left")
    seconds = stage.clock.monotonic() - begun
    await _check_pods(stage, before)
    stage.say(f" ✓ {ADAPTER} left after {seconds:.1f} s, in the same pod, not restarted")
    await _chat(stage, host)


async def _chat(stage: Stage, host: str) -> None:
    """Ask the Workspace: that is the model with all its adapters."""
    stage.console.print(f"\n[bold]$ {shlex.join(chat_command(host, QUESTION))}[/bold]", highlight=False)
    stage.say(await asyncio.to_thread(ask_chat, host, QUESTION))


def _is_ready(workspace: Object) -> bool:
    """Whether the adapter is served. KaitoError when it failed."""
    state = adapter_state(workspace, ADAPTER)
    if state is not None and state.get("state") == "Failed":
        raise KaitoError("AdapterFailed", f"The adapter failed: {adapter_line(state)}.")
    return state is not None and state.get("state") == "Ready"


async def _until(stage: Stage, holds: Callable[[Object], bool], otherwise: str) -> Object:
    """Return the Workspace once something holds for a status that is about its present spec."""
    end = stage.clock.monotonic() + WITHIN_SECONDS
    workspace: Object = {}
    while stage.clock.monotonic() < end:
        with suppress(ConnectionLostError):
            workspace = await stage.client.get(WORKSPACE, stage.key)
            seen = (workspace.get("status") or {}).get("observedGeneration")
            if seen == workspace["metadata"]["generation"] and holds(workspace):
                return workspace
        await stage.clock.sleep(POLL_SECONDS)
    said = adapter_line(adapter_state(workspace, ADAPTER) or {"name": ADAPTER, "state": "unknown to the status"})
    raise KaitoError("TimedOut", f"The adapter {ADAPTER} {otherwise} after {WITHIN_SECONDS:.0f} s: {said}.")


async def _pods(stage: Stage) -> dict[str, int]:
    """Return each pod's uid with its restarts."""
    found = await stage.client.list(POD, stage.key.namespace, labels=f"{WORKSPACE_LABEL}={stage.key.name}")
    return {pod["metadata"]["uid"]: container_restarts(pod) for pod in found.items}


async def _check_pods(stage: Stage, before: dict[str, int]) -> None:
    after = await _pods(stage)
    if after != before:
        raise KaitoError("PodChanged", f"Another pod serves now, or it was restarted: {before} before, {after} after.")
