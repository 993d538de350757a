"""Follows the servers: one long poll per running pod on its admin port, for as long as it runs.

What it hears makes the status finer; no model waits for it, and none of its failures stops anything.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from kaito.contracts import RuntimeStatus
from kaito.controllers.workspace.admin_port import UNHEARD, AdminPort, Server
from kaito.controllers.workspace.views import Pod
from kaito.core import Clock
from kaito.core.logs import get_logger
from kaito.core.objects import Key

RETRY_SECONDS: Final = (0.25, 5.0)
"""First and longest wait after a failed poll: most fail because the server does not listen yet."""

MESSAGE_SECONDS: Final = 10.0
"""A mere change of wording is passed on at most this often."""

_LOG = get_logger(__name__)


class RuntimeFollower:
    """Keeps the last status of each server in `statuses`, by pod uid, and says so when one changes."""

    def __init__(self, admin: AdminPort, clock: Clock, changed: Callable[[Key], None]) -> None:
        self._admin = admin
        self._clock = clock
        self._changed = changed
        self._wanted: dict[str, Server] = {}
        self._tasks: dict[str, tuple[Server, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()
        self._passed_on: dict[str, float] = {}
        self.statuses: dict[str, RuntimeStatus] = {}

    def follow(self, key: Key, pods: Iterable[Pod]) -> None:
        """Follow the pods of a Workspace that run, and no others of it. Returns at once."""
        pods = tuple(pods)
        alive = {pod.metadata.uid for pod in pods if not pod.going}
        wanted = {
            pod.metadata.uid: Server(key, pod.metadata.uid, pod.status.pod_ip)
            for pod in pods
            if pod.serving and pod.status.pod_ip and not pod.going
        }
        before = {uid: server for uid, server in self._wanted.items() if server.workspace == key}
        for uid in before.keys() - wanted.keys():
            del self._wanted[uid]
            if uid not in alive:
                self.statuses.pop(uid, None)
                self._passed_on.pop(uid, None)
        self._wanted |= wanted
        if before != wanted:
            self._woken.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._woken.wait()
                self._woken.clear()
                for uid, (server, task) in list(self._tasks.items()):
                    if self._wanted.get(uid) != server:
                        task.cancel()
                        del self._tasks[uid]
                for uid, server in self._wanted.items():
                    if uid not in self._tasks:
                        self._tasks[uid] = server, group.create_task(self._follow(server))

    async def _follow(self, server: Server) -> None:
        """Poll until cancelled, which happens when the pod stops."""
        after: int | None = None
        wait = RETRY_SECONDS[0]
        while True:
            try:
                status = await self._admin.status(server, after)
            except UNHEARD as error:
                _LOG.debug(
                    "server not heard", workspace=str(server.workspace), error=f"{type(error).__name__}: {error}"
                )
                after = None
                self._lost(server)
                await self._clock.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS[1])
                continue
            no_news = after is not None and status["sequence"] <= after
            wait, after = RETRY_SECONDS[0], status["sequence"]
            self._pass_on(server, status)
            if no_news:  # one that does not wait for any would be asked without end
                await self._clock.sleep(wait)

    def _lost(self, server: Server) -> None:
        """Forget what a server said that is not heard any more; its last words stay if they say why."""
        before = self.statuses.get(server.pod_uid)
        if before is not None and before["stage"] != "failed":
            del self.statuses[server.pod_uid]
            self._changed(server.workspace)

    def _pass_on(self, server: Server, status: RuntimeStatus) -> None:
        before = self.statuses.get(server.pod_uid)
        now = self._clock.monotonic()
        late = now - self._passed_on.get(server.pod_uid, now) >= MESSAGE_SECONDS
        if before is not None and _gist(before) == _gist(status) and not (late and _words(before) != _words(status)):
            return
        self.statuses[server.pod_uid] = status
        self._passed_on[server.pod_uid] = now
        self._changed(server.workspace)


def _gist(status: RuntimeStatus) -> tuple[object, ...]:
    """Return what is passed on at once when it changes."""
    adapters = [{**adapter, "message": ""} for adapter in status["adapters"]]
    return status["stage"], status["failure"], status.get("adapterSet"), adapters


def _words(status: RuntimeStatus) -> tuple[object, ...]:
    """Return what is passed on from time to time."""
    return status["message"], status["adapters"]
