"""Life-cycle hooks of containers, and the ordered end of one: preStop hook, SIGTERM, SIGKILL, within one grace."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta

from kaito.core.clock import Clock
from kaito.core.objects import Object
from kaito.local.node.containers import Containers
from kaito.local.node.probes import Outcome, Prober
from kaito.local.node.records import Record

MINIMUM_AFTER_HOOK = 2.0
"""Seconds that a program has at least after its preStop hook. Source: kubelet's minimumGracePeriodInSeconds."""
EARLIER = 1.5
"""Seconds by which a new end must be earlier than the one that runs, to be told to the shim."""
HOOK_TIMEOUT = 120.0
"""Seconds after which a postStart hook counts as failed; the kubelet has no limit."""

Report = Callable[[Record, str, str], None]
"""Called with record, event reason and message of a failed hook."""


class Hooks:
    """Runs postStart and preStop hooks beside the pod's reconciler. `changed(uid)` is called when one has ended."""

    def __init__(
        self, containers: Containers, prober: Prober, clock: Clock, changed: Callable[[str], None], report: Report
    ) -> None:
        self._containers = containers
        self._prober = prober
        self._clock = clock
        self._changed = changed
        self._report = report
        self._ends: dict[str, datetime] = {}
        self._starting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def starting(self, uid: str) -> frozenset[str]:
        """Return the containers of a pod whose postStart hook still runs."""
        return frozenset(each.rsplit("/", 2)[1] for each in self._starting if each.startswith(f"process://{uid}/"))

    def stopping(self, record: Record) -> bool:
        """Return whether the end of this run has begun."""
        return record.container_id in self._ends

    def after_start(self, record: Record, container: Object, ip: str) -> None:
        """Run the postStart hook, if there is one; a failed one ends the container."""
        handler = (container.get("lifecycle") or {}).get("postStart")
        if handler:
            self._starting.add(record.container_id)
            self._spawn(self._post_start(handler, record, container, ip))

    async def _post_start(self, handler: Object, record: Record, container: Object, ip: str) -> None:
        try:
            outcome = await self._run(handler, record, container, ip, HOOK_TIMEOUT)
            if not outcome.success:
                self._report(record, "FailedPostStartHook", f"PostStartHook failed: {outcome.message}")
                self._containers.stop(record, MINIMUM_AFTER_HOOK)
        finally:
            self._starting.discard(record.container_id)
            self._changed(record.uid)

    def stop(self, record: Record, container: Object, ip: str, grace: float) -> bool:
        """Begin, or hasten, the end of a run. Return True when it began with this call."""
        end = self._clock.now() + timedelta(seconds=grace)
        known = self._ends.get(record.container_id)
        if known is not None and end >= known - timedelta(seconds=EARLIER):
            return False
        self._ends[record.container_id] = end
        handler = (container.get("lifecycle") or {}).get("preStop")
        if known is None and handler and grace > 0:
            self._spawn(self._pre_stop(handler, record, container, ip, grace))
        else:
            self._containers.stop(record, grace)
        return known is None

    async def _pre_stop(self, handler: Object, record: Record, container: Object, ip: str, grace: float) -> None:
        began = self._clock.now()
        outcome = await self._run(handler, record, container, ip, grace)
        if not outcome.success:
            self._report(record, "FailedPreStopHook", f"PreStopHook failed: {outcome.message}")
        left = grace - (self._clock.now() - began).total_seconds()
        self._containers.stop(record, max(MINIMUM_AFTER_HOOK, left))

    async def _run(self, handler: Object, record: Record, container: Object, ip: str, limit: float) -> Outcome:
        if "sleep" in handler:
            await self._clock.sleep(min(limit, float(handler["sleep"]["seconds"])))
            return Outcome(True)
        return await self._prober.run(handler, record, container, ip, limit)

    def _spawn(self, run: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, uid: str) -> None:
        """Drop what is known of a pod."""
        for known in [known for known in self._ends if known.startswith(f"process://{uid}/")]:
            del self._ends[known]

    async def close(self) -> None:
        """End the hooks that run."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
