"""What a reconcile wrote: recorded by the client, waited for by the controller before it reads again."""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field

from kaito.core.objects import Key


@dataclass(frozen=True)
class Write:
    """One successful write. A cache has seen it at `resource_version` or later, or once a deleted `uid` is gone."""

    api_version: str
    kind: str
    key: Key
    resource_version: str = ""
    uid: str = ""
    deleted: bool = False
    labels: dict[str, str] = field(default_factory=dict, compare=False)


_current: ContextVar[dict[tuple[str, str, Key], Write] | None] = ContextVar("writes", default=None)


class _Recording:
    """A context manager by hand: a generator's costs three times as much, and there is one in each reconcile."""

    __slots__ = ("_token",)

    def __enter__(self) -> dict[tuple[str, str, Key], Write]:
        writes: dict[tuple[str, str, Key], Write] = {}
        self._token = _current.set(writes)
        return writes

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def recording() -> AbstractContextManager[dict[tuple[str, str, Key], Write]]:
    """Collect the writes of this block, and of the tasks it starts: the last one of each object."""
    return _Recording()


def record(write: Write) -> None:
    """Add a write to the recording of this context, if there is one."""
    if (writes := _current.get()) is not None:
        writes[write.api_version, write.kind, write.key] = write
