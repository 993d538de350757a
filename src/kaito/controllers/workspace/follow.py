"""Follows the servers that are on their way: one long poll per pod that is not ready yet, on its admin port.

What it hears makes the status finer; nothing waits for it, and none of its failures stops anything.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from kaito.contracts import ADMIN_PORT, STATUS_PATH, RuntimeStatus
from kaito.controllers.workspace.views import Pod
from kaito.controllers.workspace.workload import admin_secret_name
from kaito.core import Client, Clock
from kaito.core.errors import KaitoError
from kaito.core.kinds import SECRET
from kaito.core.logs import get_logger
from kaito.core.objects import Key

POLL_SECONDS: Final = 40.0
"""Longest wait for an answer; the server lets a poll wait 30 s."""

RETRY_SECONDS: Final = (0.25, 5.0)
"""First and longest wait after a failed poll: most fail because the server does not listen yet."""

MESSAGE_SECONDS: Final = 10.0
"""A mere change of wording is passed on at most this often."""

_LARGEST_ANSWER: Final = 1 << 20
_LOG = get_logger(__name__)


@dataclass(frozen=True)
class Target:
    """A pod to follow, for one Workspace."""

    workspace: Key
    pod_uid: str
    address: str


class RuntimeFollower:
    """Keeps the last status of each server in `statuses`, by pod uid, and says so when one changes."""

    def __init__(self, client: Client, clock: Clock, changed: Callable[[Key], None], port: int = ADMIN_PORT) -> None:
        self._client = client
        self._clock = clock
        self._changed = changed
        self._port = port
        self._wanted: dict[str, Target] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._passed_on: dict[str, float] = {}
        self.statuses: dict[str, RuntimeStatus] = {}

    def follow(self, key: Key, pods: Iterable[Pod]) -> None:
        """Follow the pods of a Workspace that run and are not ready, and no others of it. Returns at once."""
        pods = tuple(pods)
        alive = {pod.metadata.uid for pod in pods if not pod.going}
        wanted = {
            pod.metadata.uid: Target(key, pod.metadata.uid, pod.status.pod_ip)
            for pod in pods
            if pod.serving and pod.status.pod_ip and not pod.ready and not pod.going
        }
        for uid in [uid for uid, target in self._wanted.items() if target.workspace == key and uid not in wanted]:
            del self._wanted[uid]
            if uid not in alive:
                self.statuses.pop(uid, None)
                self._passed_on.pop(uid, None)
        self._wanted |= wanted
        self._woken.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        timeout = aiohttp.ClientTimeout(total=POLL_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            while True:
                await self._woken.wait()
                self._woken.clear()
                for uid in [uid for uid in self._tasks if uid not in self._wanted]:
                    self._tasks.pop(uid).cancel()
                for uid, target in self._wanted.items():
                    if uid not in self._tasks:
                        self._tasks[uid] = group.create_task(self._follow(session, target))

    async def _follow(self, session: aiohttp.ClientSession, target: Target) -> None:
        """Poll until cancelled, which happens when the pod is ready or gone."""
        after: int | None = None
        token = ""
        wait = RETRY_SECONDS[0]
        while True:
            try:
                token = token or await self._token(target)
                status = await self._poll(session, target, token, after)
            except (KaitoError, aiohttp.ClientError, msgspec.MsgspecError, TimeoutError, OSError, ValueError) as error:
                _LOG.debug(
                    "server not heard", workspace=str(target.workspace), error=f"{type(error).__name__}: {error}"
                )
                token, after = "", None
                self._lost(target)
                await self._clock.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS[1])
                continue
            wait, after = RETRY_SECONDS[0], status["sequence"]
            self._pass_on(target, status)

    async def _poll(
        self, session: aiohttp.ClientSession, target: Target, token: str, after: int | None
    ) -> RuntimeStatus:
        host = f"[{target.address}]" if ":" in target.address else target.address
        parameters = {} if after is None else {"after": str(after)}
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://{host}:{self._port}{STATUS_PATH}"
        async with session.get(url, params=parameters, headers=headers, allow_redirects=False) as response:
            response.raise_for_status()
            if response.status != 200:
                raise ValueError(f"answered {response.status}")
            body = await response.content.read(_LARGEST_ANSWER)
        return msgspec.json.decode(body, type=RuntimeStatus)

    async def _token(self, target: Target) -> str:
        """Read the one Secret by its name; it is not kept beyond the poll's end."""
        name = admin_secret_name(target.workspace.name)
        secret = await self._client.get(SECRET, Key(target.workspace.namespace, name))
        return base64.b64decode(secret.get("data", {}).get("token", "")).decode()

    def _lost(self, target: Target) -> None:
        """Forget what a server said that is not heard any more; its last words stay if they say why."""
        before = self.statuses.get(target.pod_uid)
        if before is not None and before["stage"] != "failed":
            del self.statuses[target.pod_uid]
            self._changed(target.workspace)

    def _pass_on(self, target: Target, status: RuntimeStatus) -> None:
        before = self.statuses.get(target.pod_uid)
        now = self._clock.monotonic()
        late = now - self._passed_on.get(target.pod_uid, now) >= MESSAGE_SECONDS
        if before is not None and _gist(before) == _gist(status) and not late:
            return
        if before == status:
            return
        self.statuses[target.pod_uid] = status
        self._passed_on[target.pod_uid] = now
        self._changed(target.workspace)


def _gist(status: RuntimeStatus) -> tuple[object, ...]:
    """Return what is passed on at once when it changes."""
    return status["stage"], status["failure"], status["adapters"]
