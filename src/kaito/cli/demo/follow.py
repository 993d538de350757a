"""Follows a Workspace and prints one line per phase, with its time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console
from rich.status import Status

from kaito.cli.explain import chain
from kaito.cli.kinds import MACHINE, WORKSPACE, WORKSPACE_LABEL
from kaito.core import ApiError, Client, Clock, ConnectionLostError, Key, Object, parse_timestamp
from kaito.core.conditions import condition
from kaito.core.errors import KaitoError
from kaito.core.kinds import POD

POLL_SECONDS = 0.5

FindHost = Callable[[], Awaitable[str | None]]
"""Returns where the Workspace answers now; None when it does not."""


@dataclass(frozen=True)
class Served:
    """A Workspace that says that it is ready, and where its server answered then."""

    workspace: Object
    host: str


class PhasePrinter:
    """Prints each phase that ends after `since` once it is over, and what is being waited for while it lasts."""

    def __init__(self, console: Console, since: datetime) -> None:
        self._console = console
        self._since = since
        self._live: Status | None = console.status("Waiting for the controller") if console.is_terminal else None
        self._printed = 0
        self._line = ""

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: Object, host: str | None) -> None:
        """Take one state of the Workspace's status, and where its server answers."""
        for entry in finished_phases(status, self._since)[self._printed :]:
            self._console.print(f" [green]✓[/green] {entry['phase']}  {entry['seconds']:.1f} s", highlight=False)
            self._printed += 1
        line = waiting_line(status, host)
        if line and line != self._line:
            self._line = line
            if self._live is not None:
                self._live.update(line)
            else:
                self._console.print(f"   … {line}", highlight=False, markup=False)


def finished_phases(status: Object, since: datetime) -> list[Object]:
    """Return the timeline's entries that have ended after `since`: those before it belong to an earlier start."""
    return [entry for entry in status.get("timeline") or () if (end := _phase_end(entry)) is not None and end > since]


def waiting_line(status: Object, host: str | None) -> str:
    """Return what is being waited for; empty while the status says nothing.

    A status can say Ready and be out of date: it was written before the machine went off.
    """
    if says_ready(status) and host is None:
        return "Ready, says the status, but the server does not answer yet"
    message = str(status.get("message") or "")
    return f"{status.get('phase', '')}: {message}" if message else ""


def check_failure(key: Key, status: Object) -> None:
    """Raise KaitoError (Failed) for a Workspace that has failed for good."""
    failure = status.get("lastFailure") or {}
    if status.get("phase") == "Failed" and failure.get("terminal"):
        message = f"Workspace {key.name}: {failure.get('reason', '')}: {failure.get('message', '')}"
        raise KaitoError("Failed", message, terminal=True, remedy=failure.get("remedy", ""))


async def follow(
    client: Client, key: Key, within: float, phases: PhasePrinter, clock: Clock, find_host: FindHost
) -> Served:
    """Return the Workspace once it says ready and its server answers, `within` seconds.

    KaitoError (Failed, TimedOut) says what is wrong.
    """
    end = clock.monotonic() + within
    workspace: Object = {}
    with phases:
        while clock.monotonic() < end:
            try:
                workspace = await client.get(WORKSPACE, key)
                status = workspace.get("status") or {}
                host = await find_host() if says_ready(status) else None
            except ConnectionLostError:
                await clock.sleep(POLL_SECONDS)
                continue
            phases.show(status, host)
            if host is not None:
                return Served(workspace, host)
            check_failure(key, status)
            await clock.sleep(POLL_SECONDS)
    raise KaitoError(
        "TimedOut",
        f"Workspace {key.name} is not ready after {within:.0f} s. {await _last_link(client, key, workspace)}",
        remedy=f"`kaito status {key.name} --why` says more.",
    )


def says_ready(status: Object) -> bool:
    """Whether a Workspace's status says that it serves."""
    found = condition(status, "WorkspaceReady")
    return found is not None and found.get("status") == "True"


def ready_time(workspace: Object) -> datetime | None:
    """Return when the Workspace became ready: the end of the last phase of its timeline; None when that is not over."""
    timeline = [one for one in (workspace.get("status") or {}).get("timeline") or () if one.get("phase") != "Ready"]
    return _phase_end(timeline[-1]) if timeline else None


def _phase_end(entry: Object) -> datetime | None:
    """Return when a phase of a timeline was over; None while it lasts."""
    if entry.get("seconds") is None:
        return None
    return parse_timestamp(entry["startedAt"]) + timedelta(seconds=entry["seconds"])


async def _last_link(client: Client, key: Key, workspace: Object) -> str:
    """Say what it waits for: its own message, and the last link of the chain of causes that says more."""
    if not workspace:
        return "The API server did not answer."
    status = workspace.get("status") or {}
    if says_ready(status):
        return "Its status says Ready, but its server does not answer here."
    message = str(status.get("message") or "")
    try:
        machines, pods = await asyncio.gather(
            client.list(MACHINE, labels=f"{WORKSPACE_LABEL}={key.name}"),
            client.list(POD, key.namespace, labels=f"{WORKSPACE_LABEL}={key.name}"),
        )
    except (ApiError, ConnectionLostError):
        return message
    links = [link for link in chain(workspace, machines.items, pods.items, [])[1:] if link.state != "ok"]
    more = f"{links[-1].what}: {links[-1].message}" if links and message not in links[-1].message else ""
    return " ".join(part for part in (message, more) if part)
