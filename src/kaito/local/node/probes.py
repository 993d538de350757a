"""Running probes: one task per probe of a running container, which tells its pod when the verdict changes."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from kaito.core.clock import Clock
from kaito.core.logs import get_logger
from kaito.core.objects import Object
from kaito.local.node.containers import Containers
from kaito.local.node.probe_state import (
    FIELDS,
    ProbeType,
    Timing,
    Tracker,
    Verdict,
    initial_verdict,
    may_run,
    verdict_after,
)
from kaito.local.node.records import Record
from kaito.local.node.rewrite import rewrite

log = get_logger()

USER_AGENT = "kube-probe/1.34"


@dataclass(frozen=True)
class Outcome:
    """One result of a probe; `message` says why it failed, in the kubelet's words."""

    success: bool
    message: str = ""


class Prober:
    """Executes a handler once: httpGet, tcpSocket or exec."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the HTTP session."""
        if self._session is not None:
            await self._session.close()

    async def run(self, handler: Object, record: Record, container: Object, ip: str, timeout: float) -> Outcome:  # noqa: ASYNC109
        """Return the outcome of `handler` within `timeout` seconds; never raises but for cancellation."""
        try:
            if "httpGet" in handler:
                return await self._http(handler["httpGet"], container, ip, timeout)
            if "tcpSocket" in handler:
                return await _tcp(handler["tcpSocket"], container, ip, timeout)
            if "exec" in handler:
                return await self._exec(handler["exec"], record, timeout)
        except TimeoutError:
            return Outcome(False, f"timed out after {timeout:g}s")
        except OSError as error:
            return Outcome(False, _cause(error))
        except ValueError as error:
            return Outcome(False, str(error) or type(error).__name__)
        kinds = ", ".join(key for key in handler if not key.endswith(("Seconds", "Threshold")))
        return Outcome(False, f"this node cannot run a probe of type {kinds or 'none'}")

    async def _http(self, get: Object, container: Object, ip: str, timeout: float) -> Outcome:  # noqa: ASYNC109
        if self._session is None:
            connector = aiohttp.TCPConnector(force_close=True, ssl=False, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": USER_AGENT})
        scheme = str(get.get("scheme") or "HTTP").lower()
        path = get.get("path") or "/"
        url = f"{scheme}://{get.get('host') or ip}:{port_number(get['port'], container)}/{path.lstrip('/')}"
        headers = {header["name"]: header["value"] for header in get.get("httpHeaders") or ()}
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._session.get(url, headers=headers, timeout=limit) as response:
                await response.content.read(10 * 1024)
                if 200 <= response.status < 400:
                    return Outcome(True)
                return Outcome(False, f"HTTP probe failed with statuscode: {response.status}")
        except TimeoutError:
            return Outcome(
                False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
            )
        except aiohttp.ClientConnectorError as error:
            host = f"{get.get('host') or ip}:{port_number(get['port'], container)}"
            return Outcome(False, f'Get "{url}": dial tcp {host}: {_cause(error.os_error)}')
        except aiohttp.ClientError as error:
            return Outcome(False, f'Get "{url}": {str(error) or type(error).__name__}')

    async def _exec(self, execute: Object, record: Record, timeout: float) -> Outcome:  # noqa: ASYNC109
        argv = [rewrite(word, record.rewrites) for word in execute["command"]]
        code, output = await self._containers.execute(record, argv, timeout)
        return Outcome(code == 0, output.decode(errors="replace").strip())


def _cause(error: OSError) -> str:
    """Word a failed connect as the kubelet does: `connect: connection refused`."""
    return f"connect: {os.strerror(error.errno).lower()}" if error.errno else str(error)


async def _tcp(socket: Object, container: Object, ip: str, timeout: float) -> Outcome:  # noqa: ASYNC109
    async with asyncio.timeout(timeout):
        _, writer = await asyncio.open_connection(socket.get("host") or ip, port_number(socket["port"], container))
        writer.close()
    return Outcome(True)


def port_number(port: int | str, container: Object) -> int:
    """Return a port that may be the name of one of the container's; raises ValueError for an unknown name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for each in container.get("ports") or ():
        if each.get("name") == port:
            return int(each["containerPort"])
    raise ValueError(f"container {container['name']} has no port named {port!r}")


@dataclass
class _Watched:
    record: Record
    verdict: Verdict
    started: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Probes:
    """The probes of all running containers. `changed(uid)`: a verdict changed; `unhealthy`: a probe failed."""

    def __init__(
        self,
        prober: Prober,
        clock: Clock,
        changed: Callable[[str], None],
        unhealthy: Callable[[str, str, str, str], None],
    ) -> None:
        self._prober = prober
        self._clock = clock
        self._changed = changed
        self._unhealthy = unhealthy
        self._watched: dict[tuple[str, str], _Watched] = {}

    def watch(self, record: Record, container: Object, ip: str, status: Object | None) -> None:
        """Begin with a container's probes unless they run already. `status` is what the server says of this run."""
        key = (record.uid, record.name)
        current = self._watched.get(key)
        if current is not None:
            if current.record.attempt == record.attempt:
                return
            self._end(key)
        known = status if status and status.get("containerID") == record.container_id else {}
        verdict = initial_verdict(container, was_started=bool(known.get("started")), was_ready=bool(known.get("ready")))
        watched = self._watched[key] = _Watched(record, verdict)
        if verdict.started:
            watched.started.set()
        for kind, name in FIELDS.items():
            if name in container:
                watched.tasks.append(asyncio.create_task(self._loop(watched, kind, container, ip)))

    def verdicts(self, uid: str) -> dict[str, Verdict]:
        """Return the verdicts of a pod's containers."""
        return {name: watched.verdict for (pod, name), watched in self._watched.items() if pod == uid}

    def forget(self, uid: str, name: str | None = None) -> None:
        """End the probes of a container, or of all of a pod's."""
        for key in [key for key in self._watched if key[0] == uid and name in (None, key[1])]:
            self._end(key)

    async def close(self) -> None:
        """End all probes."""
        tasks = [task for watched in self._watched.values() for task in watched.tasks]
        for key in list(self._watched):
            self._end(key)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._prober.close()

    def _end(self, key: tuple[str, str]) -> None:
        for task in self._watched.pop(key).tasks:
            task.cancel()

    async def _loop(self, watched: _Watched, kind: ProbeType, container: Object, ip: str) -> None:
        probe: dict[str, Any] = container[FIELDS[kind]]
        timing = Timing.of(probe)
        tracker = Tracker(timing)
        started = watched.record.started
        if started is not None:
            await self._clock.sleep(timing.initial_delay - (self._clock.now() - started).total_seconds())
        if kind != "startup":
            await watched.started.wait()
        while may_run(watched.verdict, kind):
            outcome = await self._prober.run(probe, watched.record, container, ip, timing.timeout)
            if not outcome.success:
                self._report(watched, kind, tracker, outcome)
            tracker = tracker.observe(success=outcome.success)
            before = watched.verdict
            watched.verdict = verdict_after(before, kind, tracker, container)
            if watched.verdict.started:
                watched.started.set()
            if watched.verdict != before:
                self._changed(watched.record.uid)
            await self._clock.sleep(timing.period)

    def _report(self, watched: _Watched, kind: ProbeType, tracker: Tracker, outcome: Outcome) -> None:
        """Say that a probe failed: the first of a row of failures only, as a row may last as long as a model loads."""
        if tracker.last is not False:
            message = f"{kind.capitalize()} probe failed: {outcome.message}"
            self._unhealthy(watched.record.uid, watched.record.name, kind, message)
