"""`kaito status`."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console

from kaito.cli.adapters import HEADING, adapter_links, adapter_rows
from kaito.cli.columns import columns
from kaito.cli.connection import connected
from kaito.cli.explain import Link, chain
from kaito.cli.kinds import MACHINE, WORKSPACE, WORKSPACE_LABEL, WORKSPACE_NAMESPACE_LABEL
from kaito.cli.options import OutputFormat
from kaito.core import Client, Key, Object
from kaito.core.kinds import EVENT, POD

MARKS = {"ok": "[green]✓[/green]", "waiting": "[yellow]…[/yellow]", "failed": "[red]✗[/red]"}


def show(
    name: str, namespace: str, *, why: bool, output: OutputFormat, directory: Path | None, kubeconfig: Path | None
) -> None:
    """Print Workspaces, or why they are where they are. KaitoError when there is no such Workspace."""
    asyncio.run(_show(name, namespace, why, output, directory, kubeconfig))


async def _show(
    name: str, namespace: str, why: bool, output: OutputFormat, directory: Path | None, kubeconfig: Path | None
) -> None:
    async with connected(directory, kubeconfig) as client:
        workspaces = await _workspaces(client, name, namespace)
        chains = {_title(one): await _chain(client, one) for one in workspaces} if why else {}
    if output is OutputFormat.JSON:
        document = {title: [asdict(link) for link in links] for title, links in chains.items()} if why else workspaces
        typer.echo(json.dumps(document, indent=2))
    elif not workspaces:
        typer.echo("No Workspace. Make one, for example with "
                   "`kubectl apply -f examples/inference/kaito_workspace_phi_3.yaml`.")  # fmt: skip
    elif why:
        _print_chains(chains)
    else:
        _print_table(workspaces)
        if name:
            _print_adapters(workspaces[0])


async def _workspaces(client: Client, name: str, namespace: str) -> list[Object]:
    if name:
        return [await client.get(WORKSPACE, Key(namespace or client.namespace, name))]
    found = await client.list(WORKSPACE, namespace or None)
    return found.items


async def _chain(client: Client, workspace: Object) -> list[Link]:
    name, namespace = workspace["metadata"]["name"], workspace["metadata"]["namespace"]
    labels = f"{WORKSPACE_LABEL}={name},{WORKSPACE_NAMESPACE_LABEL}={namespace}"
    machines = (await client.list(MACHINE, labels=labels)).items
    pods = (await client.list(POD, namespace, labels=f"{WORKSPACE_LABEL}={name}")).items
    uids = {one["metadata"]["uid"] for one in (workspace, *machines, *pods)}
    events = [
        event for event in (await client.list(EVENT)).items if (event.get("involvedObject") or {}).get("uid") in uids
    ]
    return [*chain(workspace, machines, pods, events), *adapter_links(workspace)]


def _title(workspace: Object) -> str:
    return f"{workspace['metadata']['namespace']}/{workspace['metadata']['name']}"


def _print_table(workspaces: list[Object]) -> None:
    rows = []
    for one in workspaces:
        status = one.get("status") or {}
        phase, message = status.get("phase") or "-", status.get("message") or "-"
        rows.append((one["metadata"]["namespace"], one["metadata"]["name"], phase, message))
    typer.echo(columns(("NAMESPACE", "NAME", "PHASE", "MESSAGE"), rows))


def _print_adapters(workspace: Object) -> None:
    if rows := adapter_rows(workspace):
        typer.echo("\n" + columns(HEADING, rows))


def _print_chains(chains: dict[str, list[Link]]) -> None:
    console = Console(soft_wrap=True)
    for title, links in chains.items():
        console.print(title, highlight=False, style="bold")
        for depth, link in enumerate(links):
            indent = "  " + ("└ " if depth else "")
            console.print(f"{indent}{MARKS[link.state]} ", end="")
            console.print(f"{link.what}: {link.message}", highlight=False, markup=False)
