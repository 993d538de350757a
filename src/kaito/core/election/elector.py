"""An elector as a pure state machine: what has happened goes in, what to do next comes out.

`leadership.py` carries the actions out. The rules are client-go's, with two that are stricter. A leader counts its
renew deadline from the moment it sent its last successful write, not from the answer. A candidate that knew a Lease
waits, when it vanishes, until whoever held it must have noticed: deleting it by hand makes no two leaders, however
often. One that never saw it makes it at once, as with client-go, and leads beside its holder until that renews in vain:
were it to wait, each first start would take the length of a Lease. A candidate watches the Lease, so that a released
one is taken at once and an expired one when it expires. Where the watch fails it asks now and then, as client-go does;
one that says nothing for some renewals is not believed.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from kaito.core.clock import Jitter
from kaito.core.election.lease import duration_of, first_lease, held_lease, holder_of, record_of
from kaito.core.election.timing import JITTER, Timing
from kaito.core.errors import AlreadyExistsError, ConflictError, KaitoError, NotFoundError
from kaito.core.objects import Key, Object


@dataclass(frozen=True, slots=True)
class Due:
    """A wait is over, or nothing has happened yet."""


@dataclass(frozen=True, slots=True)
class Found:
    """The Lease, as read or as a watch showed it."""

    lease: Object


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no Lease."""


@dataclass(frozen=True, slots=True)
class Written:
    """The server took our write, which was sent at `sent` (monotonic seconds)."""

    lease: Object
    sent: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A request was refused, got no answer in time, or a watch ended."""

    error: KaitoError | None = None


Message = Due | Found | Absent | Written | Failed


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """Ask the server for the Lease."""


@dataclass(frozen=True, slots=True)
class Write:
    """Make the Lease, or replace it under the resourceVersion that it carries."""

    lease: Object
    create: bool = False


@dataclass(frozen=True, slots=True)
class Follow:
    """Watch the Lease from `resource_version` (empty: from now on) for the next change, for at most `seconds`."""

    resource_version: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Lost:
    """We lead no more. Nothing may be written from here on."""

    why: str


Action = Wait | Read | Write | Follow | Lost


@dataclass(frozen=True, slots=True)
class Observation:
    """The Lease as last seen, and when its record was first seen so, or seen to be `gone` (monotonic seconds)."""

    lease: Object
    since: float
    gone: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What an elector knows. `renewed` is when the write that we lead by was sent; None: we do not lead."""

    key: Key
    identity: str
    timing: Timing
    observed: Observation | None = None
    renewed: float | None = None

    @property
    def leads_until(self) -> float | None:
        """When we stop leading unless we renew before (monotonic seconds); None: we do not lead."""
        return None if self.renewed is None else self.renewed + self.timing.renew_deadline


@dataclass(frozen=True, slots=True)
class Moment:
    """Monotonic seconds, the wall clock for what people read, and chance."""

    now: float
    wall: datetime
    jitter: Jitter


def step(state: State, message: Message, at: Moment) -> tuple[State, Action]:
    """Return what to do after `message`."""
    if isinstance(message, Written):
        state = replace(state, observed=Observation(message.lease, at.now), renewed=message.sent)
    if state.leads_until is not None and at.now >= state.leads_until:
        return _lost(state, f"no success in renewing it for {state.timing.renew_deadline:g} s")
    match message:
        case Due():
            return state, _renewal(state, at) or Read()
        case Found(lease):
            return _after_reading(_observed(state, lease, at), at)
        case Absent():
            return _after_absence(state, at)
        case Written():
            return state, Wait(state.timing.retry)
        case Failed(error):
            return state, _after_failure(state, error, at)


def _renewal(state: State, at: Moment) -> Action | None:
    """Return a leader's renewal, without reading first."""
    if state.renewed is None or state.observed is None:
        return None
    return Write(held_lease(state.observed.lease, state.identity, state.timing, at.wall))


def _observed(state: State, lease: Object, at: Moment) -> State:
    """Note the Lease. Only a change of its record is a sign of life."""
    seen = state.observed
    unchanged = seen is not None and not seen.gone and record_of(seen.lease) == record_of(lease)
    return replace(state, observed=Observation(lease, seen.since if seen is not None and unchanged else at.now))


def _after_reading(state: State, at: Moment) -> tuple[State, Action]:
    assert state.observed is not None
    lease, holder = state.observed.lease, holder_of(record_of(state.observed.lease))
    if state.renewed is not None and holder not in ("", state.identity):
        return _lost(state, f"{holder} holds it")
    left = _seconds_left(state, at)
    if left > 0:
        return state, Follow(str(lease["metadata"].get("resourceVersion", "")), min(left, state.timing.silence))
    return state, Write(held_lease(lease, state.identity, state.timing, at.wall))


def _after_absence(state: State, at: Moment) -> tuple[State, Action]:
    seen = state.observed
    if seen is not None and not seen.gone:
        state = replace(state, observed=Observation(seen.lease, at.now, gone=True))
    left = _seconds_left(state, at)
    if state.renewed is None and left > 0:
        return state, Follow("", min(left, state.timing.silence))
    return state, Write(first_lease(state.key, state.identity, state.timing, at.wall), create=True)


def _seconds_left(state: State, at: Moment) -> float:
    """Return for how long another's Lease still holds; 0 when it is ours, nobody's or expired."""
    if (seen := state.observed) is None:
        return 0.0
    record = record_of(seen.lease)
    if holder_of(record) in ("", state.identity) and not seen.gone:
        return 0.0
    return max(0.0, seen.since + duration_of(record, state.timing) - at.now)


def _after_failure(state: State, error: KaitoError | None, at: Moment) -> Action:
    """Let a leader that was overtaken read at once, and retry other failures steadily; a candidate waits at random."""
    if state.renewed is None:
        return Wait(state.timing.retry * (1 + JITTER * at.jitter()))
    overtaken = isinstance(error, ConflictError | AlreadyExistsError | NotFoundError)
    return Read() if overtaken else Wait(state.timing.retry)


def _lost(state: State, why: str) -> tuple[State, Action]:
    return replace(state, renewed=None), Lost(why)
