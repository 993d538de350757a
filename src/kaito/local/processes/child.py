"""One supervised child: started in its own process group, recorded, restarted when it crashes, ended on request."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kaito.core.clock import Clock
from kaito.core.logs import get_logger
from kaito.local.processes.backoff import Backoff
from kaito.local.processes.identity import identify
from kaito.local.processes.record import ProcessRecord, Records

_log = get_logger()


@dataclass(frozen=True)
class ChildSpec:
    """What to run. `stop_seconds`: from SIGTERM to SIGKILL of the group."""

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 15.0


class Child:
    """Keeps one process running until `stop`."""

    def __init__(self, spec: ChildSpec, records: Records, clock: Clock) -> None:
        self.spec = spec
        self._records = records
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self.crashes = 0

    @property
    def pid(self) -> int:
        """The running process, or 0."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    async def keep_running(self) -> None:
        """Start the process, and again with back-off when it ends, until `stop`. OSError: it cannot be executed."""
        backoff = Backoff()
        try:
            while not self._stopping.is_set():
                started = self._clock.monotonic()
                code = await self._run_once()
                if self._stopping.is_set():
                    return
                self.crashes += 1
                backoff = backoff.crashed(self._clock.monotonic() - started)
                _log.warning("process ended", process=self.spec.name, code=code, restartIn=backoff.seconds)
                await self._pause(backoff.seconds)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """End the process group: SIGTERM, after `stop_seconds` SIGKILL. Returns when it is gone; again is harmless."""
        self._stopping.set()
        process = self._process
        if process is not None and process.returncode is None:
            _signal(process.pid, signal.SIGTERM, group=False)
            try:
                async with asyncio.timeout(self.spec.stop_seconds):
                    await process.wait()
            except TimeoutError:
                _log.warning("process did not end in time", process=self.spec.name, seconds=self.spec.stop_seconds)
                _signal(process.pid, signal.SIGKILL, group=True)
                await process.wait()
        self._records.remove(self.spec.name)

    async def _run_once(self) -> int:
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(self.spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment(), **self.spec.environment},
                start_new_session=True,
            )
        finally:
            os.close(log)
        self._process = process
        found = identify(process.pid)
        if found is not None:
            record = ProcessRecord(self.spec.name, found.pid, found.start_ticks, self.spec.argv)
            self._records.write(record)
        if self._stopping.is_set():
            _signal(process.pid, signal.SIGTERM, group=False)
        code = await process.wait()
        _signal(process.pid, signal.SIGKILL, group=True)  # what it may have left behind in its group
        self._records.remove(self.spec.name)
        return code

    async def _pause(self, seconds: float) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({sleep, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            stop.cancel()


def environment() -> dict[str, str]:
    """Return our environment with the folder of this Python's programs first on PATH."""
    programs = str(Path(sys.executable).parent)
    paths = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if programs not in paths:
        paths = [programs, *paths]
    return {**os.environ, "PATH": os.pathsep.join(paths)}


def _signal(pid: int, number: signal.Signals, *, group: bool) -> None:
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
