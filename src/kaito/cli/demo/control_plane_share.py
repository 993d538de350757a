"""The control plane's own share of a start, from the API server's audit log. Pure.

A start is a chain: something becomes visible on the API, a controller of ours answers with a write, that write lets
the next thing happen. Our share is the time in which the chain waited for us: for each of our writes, from the moment
its cause was visible until our write was. The rest belongs to others: the cloud, the node, the model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from kaito.core import parse_timestamp

OURS: Final = ("kaito-controller", "kaito-provisioner")
"""User agents of the control plane, without their version."""

CONTINUATION_SECONDS: Final = 1.0
"""A write that follows our own previous one within this time, and nobody else's, goes on with the same work. After a
longer pause its cause was none that the API shows (a cloud's answer, a model's progress): its request alone counts."""

_WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_CAUSES: Final = frozenset({"workspaces", "machines", "nodes", "pods", "deployments"})
"""Resources, with their subresources, whose writes by others make our controllers act."""

_BESIDE: Final = frozenset({"events", "leases"})
"""What our controllers write on the side, from other tasks."""

_REPORT: Final = "workspaces/status"
"""What a user reads: nothing waits for it, so that only the last one, which says ready, is on the way."""


@dataclass(frozen=True)
class AuditedWrite:
    """One successful write: who, what, and from when to when the server dealt with it."""

    agent: str
    verb: str
    resource: str
    name: str
    received: datetime
    completed: datetime

    @property
    def ours(self) -> bool:
        """Whether the control plane made it."""
        return self.agent in OURS


@dataclass(frozen=True)
class Reaction:
    """One write of ours and the seconds that the chain waited for it. `cause` is None for a cause outside the API."""

    write: AuditedWrite
    cause: AuditedWrite | None
    seconds: float


def read_writes(lines: Iterable[bytes | str]) -> list[AuditedWrite]:
    """Return the successful writes of an audit log in the order in which they became visible.

    Lines that are torn, and stages other than ResponseComplete, are passed over.
    """
    writes = [write for line in lines if (write := _read(line)) is not None]
    return sorted(writes, key=lambda write: write.completed)


def reactions(writes: Sequence[AuditedWrite], start: datetime, ready: datetime) -> list[Reaction]:
    """Return our writes on the way from `start` to the write that says ready, each with its cause.

    `ready` is the moment that the status itself gives for it: the write follows. The sum of the seconds is our share.
    """
    result: list[Reaction] = []
    foreign: AuditedWrite | None = None
    previous: dict[str, AuditedWrite] = {}
    for write in writes:
        if write.completed < start or write.resource in _BESIDE:
            continue
        if not write.ours:
            foreign = write if write.resource.split("/")[0] in _CAUSES else foreign
            continue
        last = write.resource == _REPORT and write.completed >= ready
        if write.resource != _REPORT or last:
            result.append(_reaction(write, foreign, previous))
            previous[write.agent] = write
        if last:
            break
    return result


def _reaction(write: AuditedWrite, foreign: AuditedWrite | None, previous: dict[str, AuditedWrite]) -> Reaction:
    """Measure one write from the newest of: another's write, the other controller's, our own last one if it goes on."""
    own = previous.get(write.agent)
    others = [one for agent, one in previous.items() if agent != write.agent]
    known = [one for one in (foreign, own, *others) if one is not None and one.completed <= write.received]
    cause = max(known, key=lambda one: one.completed, default=None)
    if cause is None:
        return Reaction(write, None, (write.completed - write.received).total_seconds())
    waited = (write.completed - cause.completed).total_seconds()
    if cause is own and waited > CONTINUATION_SECONDS:
        return Reaction(write, None, (write.completed - write.received).total_seconds())
    return Reaction(write, cause, waited)


def _read(line: bytes | str) -> AuditedWrite | None:
    try:
        event = orjson.loads(line)
        reference = event.get("objectRef") or {}
        if event.get("stage") != "ResponseComplete" or event.get("verb") not in _WRITES:
            return None
        if int((event.get("responseStatus") or {}).get("code") or 0) >= 300:
            return None
        resource = reference.get("resource", "")
        subresource = reference.get("subresource", "")
        return AuditedWrite(
            agent=str(event.get("userAgent") or "").partition("/")[0],
            verb=event["verb"],
            resource=f"{resource}/{subresource}" if subresource else resource,
            name=reference.get("name", ""),
            received=parse_timestamp(event["requestReceivedTimestamp"]),
            completed=parse_timestamp(event["stageTimestamp"]),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None
