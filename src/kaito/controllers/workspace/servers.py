"""The servers of all Workspaces: what they say, and what they are told."""

import asyncio
from collections.abc import Callable

from kaito.contracts import ADMIN_PORT
from kaito.controllers.workspace.admin_port import AdminPort
from kaito.controllers.workspace.follow import RuntimeFollower
from kaito.controllers.workspace.push import SetPusher
from kaito.core import Client, Clock
from kaito.core.objects import Key


class Servers:
    """Follower and pusher on one set of connections."""

    def __init__(self, client: Client, clock: Clock, changed: Callable[[Key], None], port: int = ADMIN_PORT) -> None:
        self._admin = AdminPort(client, port)
        self.follower = RuntimeFollower(self._admin, clock, changed)
        self.pusher = SetPusher(self._admin, clock, changed)

    def forget(self, key: Key) -> None:
        """Drop all that belongs to a Workspace that is gone."""
        self.follower.follow(key, ())
        self.pusher.tell(key, (), ())
        self._admin.forget(key)

    async def run(self) -> None:
        """Follow and tell until cancelled."""
        async with self._admin, asyncio.TaskGroup() as group:
            group.create_task(self.follower.run())
            group.create_task(self.pusher.run())
