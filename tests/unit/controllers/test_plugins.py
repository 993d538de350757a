"""The real kaito-controller with packages beside it: one replaces the Workspace controller, one adds another."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from kaito.api.crd import crds
from kaito.apiserver import EmbeddedServer
from kaito.core import Client, Key, NotFoundError
from kaito.core.kinds import CONFIG_MAP

WORKSPACE = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": "phi", "namespace": "default"},
    "resource": {"instanceType": "Standard_NC12s_v3", "labelSelector": {"matchLabels": {"app": "phi"}}},
    "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
}

MODULE = '''\
from kaito.controllers import ControllerOptions
from kaito.core import DONE, Controller, Key, Manager, Result
from {package} import {kind}


class Notes:
    """Writes down, in a ConfigMap, whom it was asked about."""

    def __init__(self, manager: Manager, options: ControllerOptions) -> None:
        self.client = manager.client
        self.runtime_image = options.settings.runtime_image

    async def reconcile(self, key: Key) -> Result:
        metadata = {{"name": f"{name}-{{key.name}}", "namespace": "default"}}
        data = {{"image": self.runtime_image}}
        await self.client.apply({{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}})
        return DONE


def controller(manager: Manager, options: ControllerOptions) -> Controller:
    return Controller("{name}", Notes(manager, options)).watching({kind})
'''


def installed(folder: Path, name: str, entry: str, kind: str) -> Path:
    """Lay a package out as pip does, and return its folder."""
    site = folder / name
    info = site / f"{name}-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[kaito.reconcilers]\n{entry} = {name}:controller\n")
    package, _, constant = kind.rpartition(".")
    (site / f"{name}.py").write_text(MODULE.format(name=name, package=package, kind=constant))
    return site


@asynccontextmanager
async def kaito_controller(kubeconfig: Path, *sites: Path, flags: tuple[str, ...] = ()) -> AsyncIterator[Path]:
    """Run the process with these packages on its path; yields the file of what it says."""
    said = kubeconfig.with_name("said")
    path = os.pathsep.join(map(str, sites))
    command = (sys.executable, "-m", "kaito.controllers.main", "--kubeconfig", str(kubeconfig))
    with said.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, "--metrics-address", "0", *flags, env={**os.environ, "PYTHONPATH": path}, stdout=file, stderr=file
        )
    try:
        yield said
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def appears(client: Client, kind, key: Key, said: Path):
    for _ in range(600):
        try:
            return await client.get(kind, key)
        except NotFoundError:
            await asyncio.sleep(0.1)
    log = await asyncio.to_thread(said.read_text)
    raise AssertionError(f"{key} did not come:\n{log}")


async def untouched(client: Client) -> bool:
    """Tell whether the built-in controller has left the Workspace alone: it sets a finalizer first of all."""
    found = await client.request("GET", "/apis/kaito.sh/v1alpha1/namespaces/default/workspaces/phi")
    return "finalizers" not in found["metadata"] and "status" not in found


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[Client, Path]]:
    async with EmbeddedServer.start() as server:
        client = await Client.connect(server.connection_settings, field_manager="test")
        for crd in crds():
            await client.create(crd)
        await client.create(WORKSPACE)
        yield client, server.write_kubeconfig(tmp_path / "kubeconfig")
        await client.close()


async def test_one_package_replaces_the_workspace_controller_and_one_adds_a_third(
    cluster: tuple[Client, Path], tmp_path: Path
) -> None:
    client, kubeconfig = cluster
    ours = installed(tmp_path, "ours", "workspace", "kaito.api.WORKSPACE")
    third = installed(tmp_path, "third", "third", "kaito.core.kinds.SECRET")
    metadata = {"name": "token", "namespace": "default"}
    await client.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    async with kaito_controller(kubeconfig, ours, third, flags=("--runtime-image", "mine:2")) as said:
        by_ours = await appears(client, CONFIG_MAP, Key("default", "ours-phi"), said)
        assert by_ours["data"] == {"image": "mine:2"}
        await appears(client, CONFIG_MAP, Key("default", "third-token"), said)
    assert await untouched(client), "the built-in controller has run as well"


async def test_a_controller_that_is_not_chosen_does_not_run(cluster: tuple[Client, Path], tmp_path: Path) -> None:
    client, kubeconfig = cluster
    third = installed(tmp_path, "third", "third", "kaito.core.kinds.SECRET")
    async with kaito_controller(kubeconfig, third, flags=("--controllers=*,-workspace",)) as said:
        metadata = {"name": "token", "namespace": "default"}
        await client.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        await appears(client, CONFIG_MAP, Key("default", "third-token"), said)
    assert await untouched(client)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("def controller(manager, options): return 1", "ReconcilerBroken: .* gives a int, not a Controller"),
        ("import no_such_module", "ReconcilerBroken: .*ModuleNotFoundError"),
    ],
)
async def test_a_package_that_cannot_be_used_ends_the_process_with_one_line(
    cluster: tuple[Client, Path], tmp_path: Path, module: str, reason: str
) -> None:
    _, kubeconfig = cluster
    broken = installed(tmp_path, "broken", "broken", "kaito.core.kinds.SECRET")
    (broken / "broken.py").write_text(dedent(module))
    command = (sys.executable, "-m", "kaito.controllers.main", "--kubeconfig", str(kubeconfig))
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PYTHONPATH": str(broken)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    line = said.decode().strip().splitlines()[-1]
    assert re.search(reason, line), said.decode()
