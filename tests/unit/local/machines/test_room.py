"""The machine room on real files and processes; `kaito-node` is a program that sleeps."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kaito.core.clock import SystemClock, timestamp
from kaito.local.machines import MachineRoom, MachineRoomSettings
from kaito.local.machines.room import HOST_NODE
from kaito.local.processes import Records
from kaito.provisioner.clouds.local import InstanceFiles, LocalInstance


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MachineRoom, InstanceFiles, Records]:
    programs = tmp_path / "bin"
    programs.mkdir()
    node = programs / "kaito-node"
    node.write_text("#!/bin/sh\nexec sleep 600\n")
    node.chmod(0o755)

    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    cloud = tmp_path / "cloud"
    cloud.mkdir()
    (cloud / "cloud.yaml").write_text("boot_seconds: 0\n")
    settings = MachineRoomSettings(cloud, tmp_path / "nodes", tmp_path / "logs", tmp_path / "kubeconfig")
    records = Records(tmp_path / "run")
    return MachineRoom(settings, records, SystemClock()), InstanceFiles(cloud), records


def instance(name: str) -> LocalInstance:
    return LocalInstance(
        name=name,
        provider_id=f"local:///{name}",
        instance_type="Standard_NC6s_v3",
        zone="local-1",
        created_at=timestamp(SystemClock().now()),
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process raises no event here
            await asyncio.sleep(0.01)


async def test_a_file_boots_a_node_and_its_end_takes_node_and_file_away(
    room: tuple[MachineRoom, InstanceFiles, Records],
) -> None:
    machines, files, records = room
    running = asyncio.create_task(machines.run())
    try:
        files.directory.mkdir(parents=True, exist_ok=True)
        await asyncio.sleep(0)
        files.create(instance("a"))
        await until(lambda: records.read("kaito-node-a"))
        record = records.read("kaito-node-a")
        assert record is not None
        assert record.identity.alive()
        files.mark_terminating("a")
        await until(lambda: files.read("a") is None)
        assert not record.identity.alive()
        assert records.read("kaito-node-a") is None
        assert machines.names == [HOST_NODE], "pods without a GPU still have a place to run"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await machines.stop()


async def test_stopping_the_room_ends_the_nodes_but_keeps_their_files_and_boots_none_again(
    room: tuple[MachineRoom, InstanceFiles, Records],
) -> None:
    machines, files, records = room
    files.create(instance("a"))
    running = asyncio.create_task(machines.run())
    await until(lambda: records.read("kaito-node-a"))
    record = records.read("kaito-node-a")
    assert record is not None
    await machines.stop()
    await asyncio.sleep(0)
    assert not record.identity.alive()
    assert files.read("a") is not None
    assert machines.names == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
