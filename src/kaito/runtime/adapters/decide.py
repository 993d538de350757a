"""One adapter's way from wanted to served, as a pure state machine: time comes from outside, and nothing is done here.

Pending ─► Pulling ─► Validating ─► Loading ─► Ready
▲          └──────────┴────────────┴──► Failed{reason} ─► (Pending again where the reason passes)
what is not wanted any more: Draining ─► gone
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from kaito.contracts import AdapterPhase, AdapterReason, AdapterStatus
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.wanted import Part, Wanted

FIRST_RETRY = 1.0
"""Seconds until what may pass is tried again; doubled each time."""

LONGEST_RETRY = 60.0
"""Seconds between two tries at most."""

Step = Literal["prepare", "load"]


@dataclass(frozen=True)
class Prepared:
    """What was checked and may be loaded: a folder that never changes.

    `digest` is that of the adapter's own files; `folder` holds the adapter at its strength, and `stored` is the digest
    of that; `size` in bytes.
    """

    digest: str
    folder: str
    stored: str
    rank: int
    size: int
    strength: str = "1"

    @property
    def version(self) -> str:
        """Tells this from every other adapter and strength: twelve digits of the digest, and the strength."""
        digits = self.digest.removeprefix("sha256:")[:12]
        return digits if self.strength == "1" else f"{digits}*{self.strength}"


@dataclass(frozen=True)
class Served:
    """What clients are answered by: the engine's number of it, and what it was loaded from."""

    number: int
    prepared: Prepared


@dataclass(frozen=True)
class Tracked:
    """One name and what is known of it. Every method returns the next state; none changes this one.

    `since` is when it was asked for as it now is (seconds on a steady clock); `busy` is the step that is under way;
    `served` stays while a newer version is on its way, and when that fails; `leaving` is what requests still hold of
    an adapter that is not wanted any more.
    """

    name: str
    wanted: Wanted | None
    since: float
    phase: AdapterPhase = "Pending"
    reason: AdapterReason | Literal[""] = ""
    message: str = ""
    attempts: int = 0
    retry_at: float | None = None
    busy: Step | None = None
    prepared: Prepared | None = None
    served: Served | None = None
    leaving: Served | None = None
    seconds: float | None = None

    def want(self, wanted: Wanted | None, now: float) -> "Tracked":
        """Take over what is wanted now; the same content goes on as it was."""
        if wanted == self.wanted:
            return self
        if wanted is None:
            return Tracked(
                self.name, None, now, phase="Draining", prepared=self.prepared, leaving=self.served or self.leaving
            )
        if self.wanted is not None and wanted.same_content(self.wanted):
            return replace(self, wanted=wanted)
        return Tracked(self.name, wanted, now, served=self.served)

    def wants_the_same(self, other: "Tracked") -> bool:
        """Say whether what was begun for `other` still counts for this one."""
        return self.wanted is not None and other.wanted is not None and self.wanted.same_content(other.wanted)

    def due(self, now: float, *, engine: bool) -> Step | None:
        """Return the step to be taken now. Loading waits for the engine, everything else does not."""
        if self.wanted is None or self.busy or (self.retry_at is not None and now < self.retry_at):
            return None
        if self.phase == "Failed" and self.retry_at is None:
            return None
        if self.prepared is None:
            return "prepare"
        return "load" if engine and (self.served is None or self.served.prepared != self.prepared) else None

    def begin(self, step: Step) -> "Tracked":
        """Note that a step has begun."""
        if step == "load":
            return replace(self, busy=step, phase="Loading", reason="", message="", retry_at=None)
        phase: AdapterPhase = "Pulling" if self.wanted is not None and self.wanted.remote else "Validating"
        if self.phase == "Failed":  # seen as failed until it is not
            return replace(self, busy=step, retry_at=None)
        return replace(self, busy=step, phase=phase, retry_at=None)

    def went_on(self, phase: AdapterPhase) -> "Tracked":
        """Note that the step under way has come to its next phase."""
        return replace(self, phase=phase, reason="", message="")

    def was_prepared(self, prepared: Prepared, now: float) -> "Tracked":
        """Note that it may be loaded; one that is served already is ready."""
        state = replace(self, busy=None, prepared=prepared, phase="Loading", reason="", message="", attempts=0)
        if self.served and self.served.prepared == prepared:
            return replace(state, phase="Ready", seconds=now - self.since)
        return state

    def was_loaded(self, served: Served, now: float) -> "Tracked":
        """Note that clients are answered by it."""
        return replace(
            self, busy=None, phase="Ready", reason="", message="", attempts=0, served=served, seconds=now - self.since
        )

    def failed(self, error: AdapterError, now: float) -> "Tracked":
        """Note that a step failed; what passes is tried again after a time that doubles."""
        wait = min(FIRST_RETRY * 2**self.attempts, LONGEST_RETRY) if error.passes else None
        return replace(
            self,
            busy=None,
            phase="Failed",
            reason=error.reason,
            message=str(error),
            attempts=self.attempts + 1,
            retry_at=None if wait is None else now + wait,
        )

    def unsettled(self, message: str, look_again: float) -> "Tracked":
        """Note that its files are being written; they are looked at again at `look_again`."""
        return replace(self, busy=None, phase="Pending", reason="", message=message, retry_at=look_again)

    def status(self) -> AdapterStatus:
        """Return the admin port's shape."""
        message = self.message
        if self.phase != "Ready" and self.served is not None and self.wanted is not None:
            message = f"{message} {_short(self.served.prepared)} is served until then.".strip()
        if self.wanted is not None and self.wanted.note:
            message = f"{message} {self.wanted.note}".strip()
        status = AdapterStatus(name=self.name, state=self.phase, reason=self.reason, message=message)
        known = self.leaving.prepared if self.leaving else self.prepared
        if known is not None:
            status |= {"digest": known.digest, "sizeBytes": known.size, "rank": known.rank}
        if self.wanted is not None:
            status["strength"] = self.wanted.strength
        if self.seconds is not None:
            status["seconds"] = round(self.seconds, 3)
        return status


def follow(tracked: Mapping[str, Tracked], wanted: Mapping[str, Wanted], now: float) -> dict[str, Tracked]:
    """Return the next state of all adapters: those that are wanted first, in the order they were asked for."""
    following = {
        name: tracked[name].want(each, now) if name in tracked else Tracked(name, each, now)
        for name, each in wanted.items()
    }
    leaving = {name: state.want(None, now) for name, state in tracked.items() if name not in wanted}
    return following | {name: state for name, state in leaving.items() if state.leaving is not None}


def follow_together(
    tracked: Mapping[str, Tracked], wanted: Mapping[str, Wanted], workspace: str, now: float
) -> dict[str, Tracked]:
    """Return the next state with the Workspace's own entry among them: the sum of all others that are served.

    While one of them is about to be, the sum stays as it is: it would be made twice.
    """
    alone = follow(tracked, wanted, now)
    own = tracked[workspace].wanted if workspace in tracked else None
    coming = any(state.busy and state.phase in {"Validating", "Loading"} for state in alone.values())
    together = own if coming else all_together(alone, workspace)
    return follow(tracked, {**wanted, **({} if together is None else {workspace: together})}, now)


def all_together(tracked: Mapping[str, Tracked], workspace: str) -> Wanted | None:
    """Return what the Workspace's name wants: the sum of all adapters that are served.

    None where there is no sum: one alone is its own.
    """
    parts = tuple(
        Part(name, state.served.prepared.folder, state.served.prepared.stored)
        for name, state in tracked.items()
        if state.served is not None and state.wanted is not None and not state.wanted.parts
    )
    return Wanted(workspace, "workspace", parts=parts) if workspace and len(parts) > 1 else None


def steps(tracked: Mapping[str, Tracked], now: float, *, engine: bool) -> Iterator[tuple[str, Step]]:
    """Yield what is to be done now."""
    for name, state in tracked.items():
        if step := state.due(now, engine=engine):
            yield name, step


def next_look(tracked: Mapping[str, Tracked]) -> float | None:
    """Return when time alone makes something due; None when nothing waits for time."""
    return min((state.retry_at for state in tracked.values() if state.retry_at is not None), default=None)


def _short(prepared: Prepared) -> str:
    return f"The version {prepared.digest.removeprefix('sha256:')[:12]}"
