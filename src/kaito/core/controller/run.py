"""One reconcile as those it calls see it: its identity in the logs, and a limit of time."""

import types
import uuid
from collections.abc import Coroutine, Generator, Mapping
from typing import Any, TypeVar

from kaito.core.logs import log_context
from kaito.core.objects import Key

T = TypeVar("T")


class Run:
    """Controller, key and id of a reconcile. The id is drawn when somebody asks: most reconciles log nothing."""

    __slots__ = ("_id", "controller", "key")

    def __init__(self, controller: str, key: Key) -> None:
        self.controller = controller
        self.key = key
        self._id = ""

    @property
    def id(self) -> str:
        """A UUID."""
        if not self._id:
            self._id = str(uuid.uuid4())
        return self._id

    def fields(self) -> Mapping[str, str]:
        """Return what each log line of this reconcile says, under controller-runtime's names."""
        return {
            "controller": self.controller,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "reconcileID": self.id,
        }


def reconcile_id() -> str:
    """Return the id of the reconcile that we are in, as its log lines have it; empty outside of one."""
    run = log_context.get()
    return run.id if isinstance(run, Run) else ""


@types.coroutine
def resumed(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine that was sent on its way by hand and now waits for `awaited`."""
    while True:
        try:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - the coroutine has to see whatever is thrown, cancellation too
                awaited = coroutine.throw(error)
            else:
                awaited = coroutine.send(sent)
        except StopIteration as end:
            result: T = end.value
            return result
