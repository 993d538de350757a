"""A manager's part in leader election: who leads, in metrics and events, and what happens when that ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from kaito.core.client import Client, pod_namespace
from kaito.core.clock import Clock
from kaito.core.election import Leadership, new_identity
from kaito.core.errors import KaitoError
from kaito.core.events import EventRecorder
from kaito.core.manager.supervision import Supervision
from kaito.core.objects import Key

REASON: Final = "LeaderElection"
"""Reason of the events about a Lease, from client-go."""


class Election:
    """One replica's election for the Lease `name`."""

    def __init__(
        self,
        client: Client,
        name: str,
        namespace: str,
        clock: Clock,
        events: EventRecorder,
        registry: CollectorRegistry,
        supervision: Supervision,
    ) -> None:
        namespace = namespace or pod_namespace()
        if not namespace:
            raise KaitoError(
                "NamespaceMissing",
                "leader election needs a namespace for its Lease, and this is not a pod",
                terminal=True,
                remedy="Give one with --leader-election-namespace.",
            )
        self._events = events
        self._supervision = supervision
        slow_path = Counter(
            "leader_election_slowpath",
            "Renewals that had to read the Lease first.",
            ("name",),
            registry=registry,
        ).labels(name)
        self.leadership = Leadership(
            client, Key(namespace, name), new_identity(), clock=clock, on_slow_path=slow_path.inc
        )
        status = Gauge(
            "leader_election_master_status",
            "Whether this replica leads: 0 for a standby, 1 for the leader.",
            ("name",),
            registry=registry,
        )
        status.labels(name).set_function(lambda: float(self.leadership.held))

    @asynccontextmanager
    async def won(self, stopping: asyncio.Event) -> AsyncIterator[bool]:
        """Yield True once this replica leads, or False when `stopping` is set first; leads during the block.

        The loss of the leadership ends the block, with KaitoError LeadershipLost, and the grace period. After a block
        that ended otherwise the Lease is given back, if nobody writes any more: what still runs might.
        """
        try:
            if not await self._acquired(stopping):
                yield False
                return
            self._record("became leader")
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._supervision.run("leader election", self._keep))
                try:
                    yield True
                finally:
                    keeping.cancel()
            self._record("stopped leading")
        finally:
            if not self._supervision.left:
                await self.leadership.release()

    async def _keep(self) -> None:
        try:
            await self.leadership.keep()
        except KaitoError:
            self._supervision.cut()
            raise

    async def _acquired(self, stopping: asyncio.Event) -> bool:
        acquiring = asyncio.create_task(self.leadership.acquire(), name="leader election")
        told = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((acquiring, told), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (acquiring, told):
                task.cancel()
            await asyncio.wait((acquiring, told))
        if not acquiring.cancelled():
            acquiring.result()
        return not stopping.is_set() and self.leadership.held

    def _record(self, what: str) -> None:
        if (lease := self.leadership.current) is not None:
            self._events.record(lease, "Normal", REASON, f"{self.leadership.identity} {what}")
