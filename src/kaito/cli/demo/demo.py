"""The demo, step by step."""

import asyncio
import shlex
import sys
from datetime import datetime
from functools import partial
from pathlib import Path

import yaml
from rich.console import Console

from kaito.cli.connection import cluster_directory, connected
from kaito.cli.demo.adapter_act import Stage, play, wait_for_leftover
from kaito.cli.demo.figures import measure
from kaito.cli.demo.follow import PhasePrinter, follow, ready_time
from kaito.cli.demo.prerequisites import check_programs, find_manifest, kubectl
from kaito.cli.demo.questions import PROMPT, ask_chat, ask_completion, chat_command
from kaito.cli.endpoint import find_host
from kaito.cli.steps import StepPrinter
from kaito.core import Key, Object, SystemClock
from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory, default_directory
from kaito.local.supervisor import SupervisorSettings, find_running, launch, prepare


def run(directory: Path | None, port: int, timeout: float, manifest: Path | None) -> None:
    """Show the whole way on this machine. KaitoError names what failed, and where the logs are."""
    console = Console(soft_wrap=True)
    paths = cluster_directory(directory)
    check_programs()
    file = find_manifest(manifest)
    try:
        _start(console, paths, port)
        asyncio.run(_show(console, paths, file, timeout))
    except KaitoError as error:
        raise KaitoError(
            error.reason, error.message, terminal=True, remedy=f"{error.remedy} Logs: {paths.logs}".strip()
        ) from error


def _start(console: Console, paths: ClusterDirectory, port: int) -> None:
    console.print(f"[bold]Local cluster[/bold] in {paths.root}", highlight=False)
    if find_running(paths) is not None:
        console.print(" [green]✓[/green] runs already", highlight=False)
        return
    report = StepPrinter(console)
    for step in launch(prepare(SupervisorSettings(directory=str(paths.root), port=port))):
        report(step)


async def _show(console: Console, paths: ClusterDirectory, file: Path, within: float) -> None:
    clock = SystemClock()
    async with connected(paths.root, None) as client:
        key = _key(file)
        console.print(f"\n[bold]$ kubectl apply -f {file}[/bold]", highlight=False)
        applied = clock.now()
        kubeconfig = _kubeconfig(paths)
        console.print(kubectl(kubeconfig, "apply", "-f", str(file)), highlight=False, markup=False)
        stage = Stage(console, client, clock, paths, kubeconfig, file, key)
        served = await follow(
            client, key, within, PhasePrinter(console, applied), clock, partial(find_host, client, key)
        )
        ready = ready_time(served.workspace) or clock.now()
        for arguments in (("get", "workspace", key.name), ("get", "svc", key.name)):
            console.print(f"\n[bold]$ kubectl {' '.join(arguments)}[/bold]", highlight=False)
            console.print(kubectl(kubeconfig, *arguments, "-n", key.namespace), highlight=False, markup=False)
        if ready > applied:
            _print_figures(console, paths, applied, ready)
        else:
            console.print("\nIt was ready before; `kaito down --purge` first measures a start.", highlight=False)
        await wait_for_leftover(stage)
        await asyncio.to_thread(_ask, console, served.host)
        await play(stage, _preset(served.workspace), served.host)
    _print_next(console, paths, kubeconfig, key)


def _preset(workspace: Object) -> str:
    """Return the name of the preset that is served, as the status has it: a manifest may use an alias."""
    return str(((workspace.get("status") or {}).get("plan") or {}).get("preset") or "")


def _key(file: Path) -> Key:
    """Return which Workspace a manifest is about. KaitoError (NoWorkspace) when it is about none."""
    for document in yaml.safe_load_all(file.read_text()):
        if isinstance(document, dict) and document.get("kind") == "Workspace":
            metadata = document["metadata"]
            return Key(metadata.get("namespace") or "default", metadata["name"])
    raise KaitoError("NoWorkspace", f"{file} holds no Workspace.", terminal=True, remedy="Name another with --file.")


def _kubeconfig(paths: ClusterDirectory) -> Path:
    running = find_running(paths)
    return running.state.settings.client_kubeconfig if running is not None else paths.kubeconfig


def _print_figures(console: Console, paths: ClusterDirectory, applied: datetime, ready: datetime) -> None:
    console.print("\n[bold]Figures[/bold]", highlight=False)
    for line in measure(paths, applied, ready).lines():
        console.print(f"  {line}", highlight=False, markup=False)


def _ask(console: Console, host: str) -> None:
    """Ask both ways and print both answers."""
    if ":" in host:
        console.print(
            f"\nPort 80 of the ClusterIP needs root here, so the pod itself is asked: {host}", highlight=False
        )
    chat = ask_chat(host)
    model, text = ask_completion(host)
    console.print(f"\n[bold]$ {shlex.join(chat_command(host, PROMPT))}[/bold]", highlight=False)
    console.print(chat, highlight=False, markup=False)
    console.print(f"\n[bold]openai: completions.create(model={model!r}, prompt={PROMPT!r})[/bold]", highlight=False)
    console.print(text, highlight=False, markup=False)


def _print_next(console: Console, paths: ClusterDirectory, kubeconfig: Path, key: Key) -> None:
    option = "" if paths.root == default_directory() else f" --dir {paths.root}"
    console.print("\nIt keeps running. Try next:", highlight=False)
    for command in (
        f"export KUBECONFIG={kubeconfig} && kubectl get workspace,machines,nodes,pods,svc",
        f'{_own_command()} chat {key.name} "What is Kubernetes?"{option}',
        f"{_own_command()} down{option}",
    ):
        console.print(f"  {command}", highlight=False, markup=False)


def _own_command() -> str:
    """Return how to call this program from here: `make` runs it from an environment that no shell has entered."""
    program = Path(sys.argv[0])
    here = Path.cwd()
    return str(program.relative_to(here)) if program.is_relative_to(here) else program.name
