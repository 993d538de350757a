"""events.k8s.io/v1 Events, in series as client-go makes them. Pure.

The first of a kind makes an Event, the second makes it a series; from then on it is only counted here, and the count is
written each half hour, when the series has been quiet for six minutes and is over, and when the process ends.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

from kaito.core.clock import micro_timestamp
from kaito.core.events.occurrence import Occurrence, Record, Source, Writing, event_name
from kaito.core.objects import Kind, Object

SERIES_EVENT: Final = Kind[dict[str, Any]]("events.k8s.io/v1", "Event", dict, "events", True)
REFRESH_SECONDS: Final = 1_800.0
FINISH_SECONDS: Final = 360.0
"""Limits of client-go's event broadcaster."""


@dataclass(slots=True)
class _Series:
    """An Event and its repeats: when the last of them was, and when and how far it was written."""

    record: Record
    last: float
    noted: float
    count: int = 1
    told: int = 1


class SeriesLedger:
    """The ledger of events.k8s.io/v1 Events."""

    kind = SERIES_EVENT
    check_seconds: float | None = FINISH_SECONDS
    limits = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self._series: dict[Hashable, _Series] = {}
        self._names = 0

    def note(self, occurrence: Occurrence) -> Writing | None:
        """Return what is to be written: the first two of a kind, and no more."""
        identity = (
            occurrence.regarding,
            occurrence.related,
            occurrence.type,
            occurrence.action,
            occurrence.reason,
        )
        series = self._series.get(identity)
        if series is None:
            record = Record(self._event(occurrence))
            self._series[identity] = _Series(record, occurrence.seconds, occurrence.seconds)
            return Writing(record)
        series.last = occurrence.seconds
        series.count += 1
        observed = {"count": series.count, "lastObservedTime": micro_timestamp(occurrence.at)}
        series.record.event["series"] = observed
        return _told(series, occurrence.seconds) if series.count == 2 else None

    def due(self, now: float, at_end: bool = False) -> list[Writing]:
        """Return the counts to write; a series that has been quiet is forgotten with its last one."""
        found = []
        for identity, series in list(self._series.items()):
            over = at_end or now - series.last >= FINISH_SECONDS
            if series.count > series.told and (over or now - series.noted >= REFRESH_SECONDS):
                found.append(_told(series, now))
            if over:
                del self._series[identity]
        return found

    def _event(self, occurrence: Occurrence) -> Object:
        self._names += 1
        unique = int(occurrence.at.timestamp() * 1e6) * 1_000 + self._names % 1_000
        event: Object = {
            "apiVersion": SERIES_EVENT.api_version,
            "kind": SERIES_EVENT.kind,
            "metadata": {
                "name": event_name(occurrence.regarding.name, unique),
                "namespace": occurrence.namespace,
            },
            "eventTime": micro_timestamp(occurrence.at),
            "reportingController": self._source.component,
            "reportingInstance": self._source.instance,
            "action": occurrence.action or occurrence.reason,
            "reason": occurrence.reason,
            "regarding": occurrence.regarding.json(),
            "note": occurrence.message,
            "type": occurrence.type,
        }
        if occurrence.related is not None:
            event["related"] = occurrence.related.json()
        return event


def _told(series: _Series, now: float) -> Writing:
    series.noted, series.told = now, series.count
    return Writing(series.record, {"series": dict(series.record.event["series"])})
