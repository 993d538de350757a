"""The pulls under way. One that is not wanted any more is ended: its bytes would come for nobody."""

import asyncio
from collections.abc import Mapping
from typing import Any

from kaito.runtime.adapters.decide import Tracked


class Pulling:
    """Knows the task of each pull, and for which state of which adapter it was begun. For one event loop."""

    def __init__(self) -> None:
        self._pulls: dict[asyncio.Task[None], Tracked] = {}

    def add(self, task: asyncio.Task[None], state: Tracked) -> None:
        """Know a task whose first part is a pull for `state`."""
        self._pulls[task] = state
        task.add_done_callback(self._forget)

    def has_come(self) -> None:
        """Note that the calling task's files have come. Their checks are short, and end by themselves."""
        if (task := asyncio.current_task()) is not None:
            self._forget(task)

    def end_unwanted(self, tracked: Mapping[str, Tracked]) -> None:
        """End each pull that was begun for something else than what is wanted now.

        What has come of a file stays with the downloads, and whoever needs it within a day goes on with it.
        """
        for task, begun in list(self._pulls.items()):
            now = tracked.get(begun.name)
            if now is None or now.busy != "prepare" or not now.wants_the_same(begun):
                self._forget(task)
                task.cancel()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._pulls.pop(task, None)
