"""Tells servers which adapters are wanted: at once, and again until each takes the set or refuses it."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from kaito.contracts import AdapterSet, adapter_set_digest
from kaito.controllers.workspace.admin_port import UNHEARD, AdminPort, Server
from kaito.controllers.workspace.known import Refusal
from kaito.controllers.workspace.step import TellServer
from kaito.core import Clock
from kaito.core.logs import get_logger
from kaito.core.objects import Key

RETRY_SECONDS: Final = (0.25, 5.0)
"""First and longest wait before a server is told again that did not answer, or took a set and does not say so."""

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class _Errand:
    """A set that one server is to be told."""

    server: Server
    generation: int
    digest: str


class SetPusher:
    """Runs errands while `run` runs. `refused` has what servers said no to, by pod uid."""

    def __init__(self, admin: AdminPort, clock: Clock, changed: Callable[[Key], None]) -> None:
        self._admin = admin
        self._clock = clock
        self._changed = changed
        self._wanted: dict[str, tuple[_Errand, AdapterSet]] = {}
        self._tasks: dict[str, tuple[_Errand, asyncio.Task[None]]] = {}
        self._pods: dict[Key, frozenset[str]] = {}
        self._woken = asyncio.Event()
        self.refused: dict[str, Refusal] = {}

    def tell(self, key: Key, errands: Iterable[TellServer], alive: Collection[str]) -> None:
        """Tell these pods of a Workspace, and no others of it; `alive` are the uids of all it has. Returns at once."""
        wanted = {}
        for errand in errands:
            server = Server(key, errand.pod.metadata.uid, errand.pod.status.pod_ip)
            adapters = errand.adapter_set
            wanted[server.pod_uid] = _Errand(server, adapters["generation"], adapter_set_digest(adapters)), adapters
        for uid in self._pods.get(key, frozenset()) - set(alive):
            self.refused.pop(uid, None)
        self._pods[key] = frozenset(alive)
        if not alive:
            del self._pods[key]
        for uid in [uid for uid, (errand, _) in self._wanted.items() if errand.server.workspace == key]:
            if uid not in wanted:
                self._woken.set()
                del self._wanted[uid]
        if any(self._wanted.get(uid) != one for uid, one in wanted.items()):
            self._woken.set()
        self._wanted |= wanted

    async def run(self) -> None:
        """Tell until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._woken.wait()
                self._woken.clear()
                for uid, (errand, task) in list(self._tasks.items()):
                    if self._wanted.get(uid, (None,))[0] != errand:
                        task.cancel()
                        del self._tasks[uid]
                for uid, (errand, adapter_set) in self._wanted.items():
                    if uid not in self._tasks:
                        task = group.create_task(self._tell(errand, adapter_set))
                        self._tasks[uid] = errand, task

    async def _tell(self, errand: _Errand, adapter_set: AdapterSet) -> None:
        """Tell until there is an answer; then again at long intervals, while the server's status shows another set."""
        server, wait = errand.server, RETRY_SECONDS[0]
        while True:
            try:
                answer = await self._admin.put_set(server, adapter_set)
            except UNHEARD as error:
                said = f"{type(error).__name__}: {error}"
                _LOG.debug("server not told of its adapters", workspace=str(server.workspace), error=said)
            else:
                if isinstance(answer, Refusal):
                    self.refused[server.pod_uid] = answer
                    self._changed(server.workspace)
                    return
                if answer == "older":
                    return
            await self._clock.sleep(wait)
            wait = min(wait * 2, RETRY_SECONDS[1])
