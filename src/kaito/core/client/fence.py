"""Writes that only a leader may send: what runs fenced is refused from the moment its leadership is over.

Stopping a controller takes time, and a process that was frozen wakes up in the middle of a reconcile. The fence asks
before each write, so that neither writes beside the next leader.
"""

import contextvars
from collections.abc import Callable
from typing import Final

from kaito.core.errors import KaitoError

_permitted: Final[contextvars.ContextVar[Callable[[], bool] | None]] = contextvars.ContextVar("fence", default=None)


def fenced(permitted: Callable[[], bool]) -> contextvars.Context:
    """Return a context for one task, in which writes need `permitted()`."""
    context = contextvars.copy_context()
    context.run(_permitted.set, permitted)
    return context


def require_permission(what: str) -> None:
    """Raise KaitoError LeadershipLost if this task is fenced and not permitted any more.

    Callers that change the world by other ways than the API server ask this first.
    """
    permitted = _permitted.get()
    if permitted is None or permitted():
        return
    raise KaitoError(
        "LeadershipLost",
        f"{what} was not sent: this replica leads no more",
        remedy="Nothing is to be done: the replica that leads now goes on with it.",
    )
