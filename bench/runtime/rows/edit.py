"""An adapter is written into a running Workspace: the time until its status says Ready, on the local cluster."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.processes import ROOT
from bench.rows.row import Figures, Medians, Row, Run, Verdict, at_most
from bench.runtime.adapters import megabytes, write_adapter
from bench.runtime.models import Shape
from kaito.cli.connection import connected
from kaito.cli.kinds import WORKSPACE
from kaito.core import Client, Key
from kaito.local.image_server import serve_images
from kaito.local.ports import free_port

PULLED, FRESH = "already pulled", "from a registry here"
LIMITS: Final = {PULLED: 1.0, FRESH: 3.0}
"""Seconds."""

EDITS: Final = 3
"""Edits of each kind in one round."""

MANIFEST: Final = ROOT / "examples" / "inference" / "kaito_workspace_phi_3.yaml"
KEY: Final = Key("default", "workspace-phi-3-mini")
MODEL: Final = "phi-3-mini-4k-instruct"
SERVICES: Final = "127.98.0.0/16"
POLL_SECONDS: Final = 0.02
WAIT_SECONDS: Final = 60.0
RANK: Final = 64


@dataclass(frozen=True)
class Image:
    """An adapter in a repository of its own."""

    repository: str
    layout: Path
    megabytes: float


def run(_: Sequence[str], rounds: int) -> Iterator[Run]:
    """Start a local cluster with one Workspace, edit it, and end it."""
    with tempfile.TemporaryDirectory(prefix="kaito-bench-") as name:
        directory = Path(name)
        try:
            _command("kaito", "up", "--dir", name, "--port", str(free_port()), "--service-cidr", SERVICES)
            _kubectl(directory, "apply", "-f", str(MANIFEST))
            _kubectl(directory, "wait", "workspace", KEY.name, "--for=condition=WorkspaceReady", "--timeout=600s")
            yield from asyncio.run(_edits(directory, rounds * EDITS))
        finally:
            _command("kaito", "down", "--dir", name, "--purge")


async def _edits(directory: Path, count: int) -> list[Run]:
    """Edit so that an image is new, and again when it has been there."""
    images = [_image(directory, number) for number in range(count + 1)]
    found = []
    async with (
        serve_images({image.repository: image.layout for image in images}) as registry,
        connected(directory, None) as client,
    ):
        for number, image in enumerate(images):
            for peer in (FRESH, PULLED):
                figures = await _edit(client, f"{registry}/{image.repository}", image)
                if number:  # the first is the first of everything
                    found.append(Run(peer, number, figures))
    return found


async def _edit(client: Client, reference: str, image: Image) -> Figures:
    name = image.repository.partition(":")[0].rpartition("/")[2]
    begin = time.monotonic()
    await client.patch(WORKSPACE, KEY, _adapters([{"source": {"name": name, "image": reference}, "strength": "1.0"}]))
    state = await _until(client, lambda states: states.get(name, {}).get("state") == "Ready", name)
    seconds = time.monotonic() - begin
    await client.patch(WORKSPACE, KEY, _adapters([]))
    await _until(client, lambda states: name not in states, name)
    return {"MB": image.megabytes, "edit to Ready s": seconds, "of it in the server s": state[name].get("seconds", 0.0)}


async def _until(
    client: Client, enough: Callable[[dict[str, dict[str, Any]]], bool], name: str
) -> dict[str, dict[str, Any]]:
    """Return the adapters of a status that is about the present spec, once they are as wanted."""
    deadline, states = time.monotonic() + WAIT_SECONDS, {}
    while time.monotonic() < deadline:
        workspace = await client.get(WORKSPACE, KEY)
        status = workspace.get("status") or {}
        states = {adapter["name"]: adapter for adapter in status.get("adapters") or ()}
        if states.get(name, {}).get("state") == "Failed":
            raise RuntimeError(f"adapter {name}: {states[name].get('reason')}: {states[name].get('message')}")
        if status.get("observedGeneration") == workspace["metadata"]["generation"] and enough(states):
            return states
        await asyncio.sleep(POLL_SECONDS)
    raise RuntimeError(f"the status did not follow an edit of {name} within {WAIT_SECONDS:.0f} s: {states}")


def _adapters(adapters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"inference": {"adapters": adapters}}


def _image(directory: Path, number: int) -> Image:
    """Write an adapter for the stand-in that the cluster serves, and pack it."""
    from kaito.runtime.adapters.image import pack

    config = json.loads((directory / "weights" / MODEL / "config.json").read_text())
    shape = Shape(
        MODEL,
        config["hidden_size"],
        config["num_hidden_layers"],
        config["num_attention_heads"],
        config["num_key_value_heads"],
        config["intermediate_size"],
        config["vocab_size"],
        config["max_position_embeddings"],
        architecture=config["architectures"][0],
    )
    folder = write_adapter(shape, directory / "made" / str(number), rank=RANK, seed=number)
    layout = directory / "images" / str(number)
    pack(folder, layout, model=MODEL)
    return Image(f"bench/adapter-{number}:v1", layout, megabytes(folder))


def _kubectl(directory: Path, *arguments: str) -> None:
    _command("kubectl", "--kubeconfig", str(directory / "kubeconfig"), *arguments)


def _command(*command: str) -> None:
    """Run a program of this environment. RuntimeError with what it said when it fails."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} exited {done.returncode}\n{done.stdout}{done.stderr}")


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    return [
        at_most(
            f"edit of the Workspace to Ready, {peer}: at most {limit:g} s",
            found.get(peer, {}).get("edit to Ready s"),
            limit,
            " s",
        )
        for peer, limit in LIMITS.items()
    ]


ROW: Final = Row(
    "edit",
    "an adapter is written into a running Workspace of the local cluster: time until status.adapters says Ready",
    (FRESH, PULLED),
    run,
    verdicts,
)
