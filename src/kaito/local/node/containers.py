"""The containers of this node: started through shims, found again after a restart, ended gracefully."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from kaito.core.clock import Clock
from kaito.core.logs import get_logger
from kaito.local.node import attachment, enter, shim
from kaito.local.node.layout import Layout, private_folder
from kaito.local.node.mounts import Mount
from kaito.local.node.records import UNKNOWN_EXIT, Record, read_record, write_record

log = get_logger()

ATTEMPTS_KEPT = 2
"""Runs of a container whose records and logs are kept: the last and, for `kubectl logs --previous`, the one before."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ContainerStart:
    """All that a shim needs. `mounts` are bind mounts of a private mount namespace; empty means the host's own view."""

    record: Record
    argv: list[str]
    env: dict[str, str]
    cwd: str | None
    grace: float
    mounts: list[Mount] = field(default_factory=list)

    def wire(self, folder: Path, listener: int = -1) -> bytes:
        """Return the JSON that the shim reads. `listener` is the descriptor at which clients of the streams come."""
        entering = {"mounts": self.mounts, "scratch": str(folder / "root")} if self.mounts else None
        return msgspec.json.encode(
            {
                "folder": str(folder),
                "record": self.record,
                "argv": self.argv,
                "env": self.env,
                "cwd": self.cwd,
                "grace": self.grace,
                "enter": entering,
                "enterProgram": enter.__file__,
                "listener": listener,
            }
        )


class Containers:
    """Every container of this node. `changed` is called with a pod's uid when one of its containers ended."""

    def __init__(self, layout: Layout, clock: Clock, changed: Callable[[str], None]) -> None:
        self._layout = layout
        self._clock = clock
        self._changed = changed
        self._records: dict[str, dict[str, list[Record]]] = {}
        self._monitors: dict[int, int] = {}
        self._boot_id = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""

    def adopt(self) -> None:
        """Find the containers that an earlier kaito-node left: running ones are watched again, lost ones are ended."""
        private_folder(self._layout.pods)
        for pod in self._layout.pods.iterdir():
            for container in sorted((pod / "containers").glob("*")):
                attempts = sorted((folder for folder in container.iterdir() if folder.name.isdigit()), key=_number)
                for folder in attempts:
                    record = read_record(folder)
                    if record is None:
                        shutil.rmtree(folder, ignore_errors=True)  # its shim never began
                        continue
                    self._put(self._adopted(folder, record))

    def _adopted(self, folder: Path, record: Record) -> Record:
        if not record.running:
            return record
        if record.boot_id == self._boot_id and self._watch(record):
            log.info("found a running container again", container=record.container_id, pid=record.pid)
            return read_record(folder) or record
        return self._lost(folder)

    def _lost(self, folder: Path) -> Record:
        """Record the end of a container whose shim vanished, and end what it left."""
        record = read_record(folder)
        assert record is not None
        if not record.running:
            return record
        if record.boot_id == self._boot_id and record.start and shim.start_ticks(record.pid) == record.start:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(record.pid, signal.SIGKILL)
        ended = msgspec.structs.replace(
            record,
            phase="exited",
            exit_code=UNKNOWN_EXIT,
            reason="ContainerStatusUnknown",
            message="The container could not be located: its shim had ended before it could say how.",
            finished_at=self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )
        write_record(folder, ended)
        return ended

    def records(self, uid: str) -> dict[str, tuple[Record, ...]]:
        """Return the runs of each container of a pod, in order."""
        return {name: tuple(records) for name, records in self._records.get(uid, {}).items()}

    def running(self, uid: str | None = None) -> list[Record]:
        """Return the records of all running containers, or of those of one pod."""
        return [record for record in self._all(uid) if record.running]

    def pods(self) -> set[str]:
        """Return the uids of the pods that have a folder here."""
        return {folder.name for folder in self._layout.pods.iterdir()} if self._layout.pods.is_dir() else set()

    def _all(self, uid: str | None) -> Iterator[Record]:
        for pod, containers in list(self._records.items()):
            if uid in (None, pod):
                for records in containers.values():
                    yield from records

    async def start(self, container: ContainerStart) -> Record:
        """Start one run and return its record once the program runs or has failed to."""
        record = msgspec.structs.replace(container.record, boot_id=self._boot_id)
        folder = private_folder(self._layout.attempt(record.uid, record.name, record.attempt))
        (folder / "root").mkdir(exist_ok=True)
        with attachment.listen(folder) as listener:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                shim.__file__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(listener.fileno(),),
                start_new_session=True,
                env={},
            )
            descriptor = listener.fileno()
        assert process.stdin is not None
        assert process.stdout is not None
        self._put(msgspec.structs.replace(record, shim_pid=process.pid))
        process.stdin.write(replace(container, record=record).wire(folder, descriptor))
        await process.stdin.drain()
        process.stdin.close()
        await process.stdout.read()
        return self._started(folder, record)

    def _started(self, folder: Path, record: Record) -> Record:
        found = read_record(folder) or record
        if found.running and not self._watch(found):
            found = self._lost(folder)
        self._put(found)
        self._prune(record)
        return found

    def _put(self, record: Record) -> None:
        records = self._records.setdefault(record.uid, {}).setdefault(record.name, [])
        records[:] = [each for each in records if each.attempt != record.attempt] + [record]
        records.sort(key=lambda each: each.attempt)

    def _prune(self, record: Record) -> None:
        records = self._records[record.uid][record.name]
        for old in records[:-ATTEMPTS_KEPT]:
            shutil.rmtree(self._layout.attempt(old.uid, old.name, old.attempt), ignore_errors=True)
        del records[:-ATTEMPTS_KEPT]

    def _watch(self, record: Record) -> bool:
        """Be told when a shim ends. Return False when it is gone already."""
        try:
            descriptor = os.pidfd_open(record.shim_pid)
        except ProcessLookupError:
            return False
        if shim.start_ticks(record.shim_pid) != record.shim_start:
            os.close(descriptor)
            return False
        self._monitors[descriptor] = record.shim_pid
        asyncio.get_running_loop().add_reader(descriptor, self._ended, descriptor, record)
        return True

    def _ended(self, descriptor: int, record: Record) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        self._monitors.pop(descriptor, None)
        if record.name in self._records.get(record.uid, {}):
            self._put(self._lost(self._layout.attempt(record.uid, record.name, record.attempt)))
        self._changed(record.uid)

    def stop(self, record: Record, grace: float) -> None:
        """Ask a container to end within `grace` seconds; asked again, a shorter grace wins. Returns at once."""
        folder = self._layout.attempt(record.uid, record.name, record.attempt)
        temporary = folder / "stop.new"
        temporary.write_bytes(msgspec.json.encode({"grace": grace}))
        temporary.replace(folder / "stop")
        if record.shim_start and shim.start_ticks(record.shim_pid) == record.shim_start:
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.shim_pid, signal.SIGTERM)

    async def wait(self, record: Record) -> None:
        """Return when the shim of a run has ended."""
        try:
            descriptor = os.pidfd_open(record.shim_pid)
        except ProcessLookupError:
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, ended.set_result, None)
        try:
            await ended
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def stop_all(self, grace: float) -> None:
        """End all containers, each within `grace` seconds; return when they have ended and their memory is free."""
        records = self.running()
        for record in records:
            self.stop(record, grace)
        await asyncio.gather(*(self.wait(record) for record in records))
        for uid in self.pods():
            self._layout.remove_memory(uid)

    def forget(self, uid: str) -> None:
        """Remove the folder and the records of a pod whose containers have all ended."""
        self._records.pop(uid, None)
        self._layout.remove_pod(uid)

    def close(self) -> None:
        """Stop watching; the containers go on."""
        for descriptor in list(self._monitors):
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        self._monitors.clear()

    async def execute(self, record: Record, argv: list[str], timeout: float) -> tuple[int, bytes]:  # noqa: ASYNC109
        """Run a command inside a running container. Return exit code and output (both streams, at most 10 KiB).

        Raises TimeoutError; the command and its children are killed then.
        """
        process = await self._spawn_inside(record, argv)
        try:
            async with asyncio.timeout(timeout):
                output = await _output(process)
                return await process.wait(), output
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def _spawn_inside(self, record: Record, argv: list[str]) -> asyncio.subprocess.Process:
        document: dict[str, Any] = {"argv": argv, "env": environment_of(record.pid), "failure": 2, "join": record.pid}
        descriptor = shim.memory_file(msgspec.json.encode(document))
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                enter.__file__,
                str(descriptor),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        finally:
            os.close(descriptor)


OUTPUT_LIMIT = 10 * 1024
"""Bytes of a probe's output that are kept. Source: kubelet's maxReadLength."""


async def _output(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    kept = b""
    while part := await process.stdout.read(65536):
        kept = (kept + part)[:OUTPUT_LIMIT]
    return kept


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with. Raises OSError when it has ended."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(os.fsdecode(entry).split("=", 1) for entry in entries if b"=" in entry)


def _number(folder: Path) -> int:
    return int(folder.name)
