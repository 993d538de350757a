"""Carries out what the elector decides: one Lease, one identity."""

import socket
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final, NoReturn

from kaito.core.client import Client, WatchEvent
from kaito.core.clock import Clock, Jitter, deadline, system_jitter
from kaito.core.election.elector import (
    Absent,
    Action,
    Due,
    Failed,
    Follow,
    Found,
    Lost,
    Message,
    Moment,
    Read,
    State,
    Wait,
    Write,
    Written,
    step,
)
from kaito.core.election.lease import holder_of, record_of, released_lease
from kaito.core.election.timing import Timing
from kaito.core.errors import ConflictError, ConnectionLostError, KaitoError, NotFoundError
from kaito.core.kinds import LEASE
from kaito.core.logs import get_logger
from kaito.core.objects import Key, Object

log = get_logger()

UNHEALTHY_SECONDS: Final = 20.0
"""A leader that has not renewed for so long after its Lease ran out should be dead, from controller-runtime."""


class Leadership:
    """The election of one replica: `acquire`, then `keep`, then `release` when all that wrote has ended.

    `on_slow_path` hears of each time that a leader has to read the Lease, because its renewal alone was refused.
    """

    def __init__(
        self,
        client: Client,
        lease: Key,
        identity: str,
        *,
        clock: Clock,
        timing: Timing | None = None,
        jitter: Jitter = system_jitter,
        on_slow_path: Callable[[], None] = lambda: None,
    ) -> None:
        self.lease = lease
        self.identity = identity
        self._client = client
        self._clock = clock
        self._jitter = jitter
        self._on_slow_path = on_slow_path
        self._state = State(lease, identity, timing or Timing())
        self._next: Action = Read()
        self._events: AsyncGenerator[WatchEvent[Object], None] | None = None
        self._wrote = False
        self._complaint = ""

    @property
    def held(self) -> bool:
        """Whether this replica leads now. It turns false by itself when the renew deadline passes."""
        until = self._state.leads_until
        return until is not None and self._clock.monotonic() < until

    @property
    def current(self) -> Object | None:
        """The Lease as last seen."""
        return None if self._state.observed is None else self._state.observed.lease

    def unhealthy(self) -> str:
        """Return what is wrong: a leader whose Lease ran out long ago still runs. For /healthz."""
        renewed = self._state.renewed
        if renewed is None or self._clock.monotonic() < renewed + self._state.timing.lease + UNHEALTHY_SECONDS:
            return ""
        return f"lease {self.lease} was not renewed in time"

    async def acquire(self) -> None:
        """Return once this replica leads."""
        try:
            while not self.held:
                await self._advance()
        finally:
            await self._stop_watching()  # when cancelled
        log.info("became leader", lease=str(self.lease), identity=self.identity)

    async def keep(self) -> NoReturn:
        """Renew the Lease until cancelled. Raises KaitoError LeadershipLost as soon as it is not certain any more."""
        while True:
            if isinstance(self._next, Lost):
                why = self._next.why
                log.error("lost leadership", lease=str(self.lease), identity=self.identity, why=why)
                raise KaitoError(
                    "LeadershipLost",
                    f"lease {self.lease}: {why}",
                    terminal=True,
                    remedy="Start the process again: it joins the election anew.",
                )
            await self._advance()

    async def release(self) -> None:
        """Give the Lease back, if we hold it, so that the next leader need not wait until it expires. Never raises."""
        if not self._wrote or isinstance(self._next, Lost):
            return
        try:
            async with deadline(self._clock, self._state.timing.renew_deadline):
                while not await self._released():
                    pass
        except (KaitoError, TimeoutError) as error:
            log.warning("could not release the lease; it expires", lease=str(self.lease), error=str(error))

    async def _released(self) -> bool:
        """Try once; False if the Lease changed meanwhile."""
        try:
            lease = await self._client.get(LEASE, self.lease)
            if holder_of(record_of(lease)) != self.identity:
                return True
            await self._client.update(released_lease(lease, self._clock.now()))
        except NotFoundError:
            return True
        except ConflictError:
            return False
        log.info("released leadership", lease=str(self.lease), identity=self.identity)
        return True

    async def _advance(self) -> None:
        message = await self._perform(self._next)
        moment = Moment(self._clock.monotonic(), self._clock.now(), self._jitter)
        self._state, self._next = step(self._state, message, moment)
        if not isinstance(self._next, Follow):
            await self._stop_watching()

    async def _perform(self, action: Action) -> Message:
        match action:
            case Wait(seconds):
                await self._clock.sleep(self._within_lead(seconds))
                return Due()
            case Read():
                if self._state.renewed is not None:
                    self._on_slow_path()
                return await self._asked(self._read())
            case Write(lease, create):
                self._wrote = True
                return await self._asked(self._write(lease, create))
            case Follow(resource_version, seconds):
                return await self._follow(resource_version, seconds)
            case Lost():
                return Due()

    def _within_lead(self, seconds: float) -> float:
        """Shorten a wait so that a leader notices the end of its lead."""
        until = self._state.leads_until
        return seconds if until is None else max(0.0, min(seconds, until - self._clock.monotonic()))

    async def _asked(self, request: Coroutine[Any, Any, Message]) -> Message:
        """Await the answer for a limited time: a server that hangs must not keep a leader in its place."""
        try:
            async with deadline(self._clock, self._within_lead(self._state.timing.request)):
                return await request
        except TimeoutError:
            return self._failed(ConnectionLostError(f"lease {self.lease}: no answer in time"))
        except KaitoError as error:
            return self._failed(error)

    async def _read(self) -> Message:
        try:
            return Found(await self._client.get(LEASE, self.lease))
        except NotFoundError:
            return Absent()

    async def _write(self, lease: Object, create: bool) -> Message:
        sent = self._clock.monotonic()
        written = await (self._client.create(lease) if create else self._client.update(lease))
        self._complaint = ""
        return Written(written, sent)

    async def _follow(self, resource_version: str, seconds: float) -> Message:
        """Return the next change of the Lease; an open watch serves the next call too."""
        if self._events is None:
            self._events = self._client.watch(
                LEASE,
                self.lease.namespace,
                resource_version=resource_version,
                fields=f"metadata.name={self.lease.name}",
            )
        try:
            async with deadline(self._clock, seconds):
                async for event in self._events:
                    if event.type == "DELETED":
                        return Absent()
                    if event.type != "BOOKMARK":
                        return Found(event.object)
        except TimeoutError:
            return Due()
        except KaitoError as error:
            return self._failed(error)
        return Failed()

    async def _stop_watching(self) -> None:
        events, self._events = self._events, None
        if events is not None:
            await events.aclose()

    def _failed(self, error: KaitoError) -> Message:
        """Log a failure once, not at each of its retries."""
        if (complaint := str(error)) != self._complaint:
            self._complaint = complaint
            log.warning("leader election: a request failed; trying again", lease=str(self.lease), error=complaint)
        return Failed(error)


def new_identity() -> str:
    """Return a name for this replica that no other has, nor a later process of the same host."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"
