"""core/v1 Events, correlated as client-go does it. Pure.

Similar ones (same object, type and reason) become one "combined" Event from the tenth on; equal ones are counted in one
Event; and one object can have 25 of them at once, then one in five minutes, so that it cannot flood the server.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final

from kaito.core.clock import timestamp
from kaito.core.events.occurrence import Occurrence, Record, Source, Writing, event_name
from kaito.core.kinds import EVENT
from kaito.core.objects import Object
from kaito.core.recent import Recent

SIMILAR: Final = 10
SIMILAR_SECONDS: Final = 600.0
COMBINED: Final = "(combined from similar events): "
BURST: Final = 25
REFILL_SECONDS: Final = 300.0
"""Limits of client-go's event correlator."""


@dataclass(slots=True)
class _Similar:
    """Different messages of one object, type and reason, and when the last of them was."""

    last: float
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Budget:
    """How many more events of one object are written."""

    tokens: float
    at: float


class Correlator:
    """The ledger of core/v1 Events."""

    kind = EVENT
    check_seconds: float | None = None
    limits = True

    def __init__(self, source: Source) -> None:
        self._source = source
        self._similar: Recent[Hashable, _Similar] = Recent()
        self._records: Recent[Hashable, Record] = Recent()
        self._budgets: Recent[Hashable, _Budget] = Recent()
        self._names = 0

    def note(self, occurrence: Occurrence) -> Writing | None:
        """Return what is to be written; None where this object has had too many events. What is left out is counted."""
        identity, message = self._combined(occurrence)
        record = self._records.get(identity)
        if record is None:
            record = self._records.put(identity, Record(self._event(occurrence, message)))
            change: dict[str, Any] = {}
        else:
            change = {"count": record.event["count"] + 1, "lastTimestamp": timestamp(occurrence.at)}
            if message != record.event["message"]:
                change["message"] = message
            record.event.update(change)
        return Writing(record, change) if self._affordable(occurrence) else None

    def due(self, now: float, at_end: bool = False) -> list[Writing]:
        """Return nothing: time alone changes no Event."""
        return []

    def _combined(self, occurrence: Occurrence) -> tuple[Hashable, str]:
        """Return what tells the Event from others, and what it says: the tenth of similar ones speaks for the rest."""
        group = (occurrence.regarding, occurrence.type, occurrence.reason)
        similar = self._similar.get(group)
        if similar is None or occurrence.seconds - similar.last > SIMILAR_SECONDS:
            similar = self._similar.put(group, _Similar(occurrence.seconds))
        similar.last = occurrence.seconds
        similar.messages.add(occurrence.message)
        if len(similar.messages) < SIMILAR:
            return (*group, occurrence.message), occurrence.message
        similar.messages.pop()
        return group, COMBINED + occurrence.message

    def _affordable(self, occurrence: Occurrence) -> bool:
        budget = self._budgets.get(occurrence.regarding)
        if budget is None:
            budget = self._budgets.put(occurrence.regarding, _Budget(BURST, occurrence.seconds))
        budget.tokens = min(BURST, budget.tokens + (occurrence.seconds - budget.at) / REFILL_SECONDS)
        budget.at = occurrence.seconds
        if budget.tokens < 1:
            return False
        budget.tokens -= 1
        return True

    def _event(self, occurrence: Occurrence, message: str) -> Object:
        self._names += 1
        unique = int(occurrence.at.timestamp() * 1e6) * 1_000 + self._names % 1_000
        moment = timestamp(occurrence.at)
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": event_name(occurrence.regarding.name, unique),
                "namespace": occurrence.namespace,
            },
            "involvedObject": occurrence.regarding.json(),
            "type": occurrence.type,
            "reason": occurrence.reason,
            "message": message,
            "action": occurrence.action,
            "source": {"component": self._source.component},
            "reportingComponent": self._source.component,
            "reportingInstance": self._source.instance,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        if occurrence.related is not None:
            event["related"] = occurrence.related.json()
        return event
