"""What happened to an object, and the Event of the server that tells it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from kaito.core.objects import Key, Kind, Object

EventLevel = Literal["Normal", "Warning"]

MESSAGE_BYTES: Final = 1_024
"""The API server's limit of an Event's note."""
INSTANCE_CHARACTERS: Final = 128
"""The API server's limit of `reportingInstance`."""
_NAME_CHARACTERS: Final = 253
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Source:
    """Who records: the component, and which of its processes."""

    component: str
    instance: str


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> "Reference":
        """Return the reference to an object that carries apiVersion, kind and metadata."""
        metadata = obj["metadata"]
        return cls(
            obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata.get("uid", "")
        )

    def json(self) -> Object:
        """Return it as `v1` ObjectReference."""
        fields = {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
        }
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened: at a wall clock's moment, for people, and at monotonic `seconds`, for the rules."""

    regarding: Reference
    related: Reference | None
    type: EventLevel
    reason: str
    message: str
    action: str
    at: datetime
    seconds: float

    @property
    def namespace(self) -> str:
        """Where its Event belongs: those of cluster-scoped objects are in `default`."""
        return self.regarding.namespace or "default"


@dataclass(slots=True)
class Record:
    """One Event of the server: how it would be created now, and whether it has been."""

    event: Object
    written: bool = field(default=False)

    @property
    def key(self) -> Key:
        """The Event's namespace and name."""
        metadata = self.event["metadata"]
        return Key(metadata["namespace"], metadata["name"])


@dataclass(frozen=True, slots=True)
class Writing:
    """A record to be written: `change` is the merge patch for one that the server has."""

    record: Record
    change: Mapping[str, Any] = field(default_factory=dict)


class Ledger(Protocol):
    """Decides what becomes of an occurrence: a new Event, one more of an old one, or nothing."""

    kind: Kind[Any]
    check_seconds: float | None
    """How often `due` wants to be asked; None: never."""
    limits: bool
    """Whether what `note` returns nothing for is lost; else it is counted, and told later."""

    def note(self, occurrence: Occurrence) -> Writing | None:
        """Return what is to be written, or None."""
        ...

    def due(self, now: float, at_end: bool = False) -> list[Writing]:
        """Return what is to be written because time has passed, or because the process ends."""
        ...


def shortened(message: str) -> str:
    """Return at most MESSAGE_BYTES of a message."""
    encoded = message.encode()
    if len(encoded) <= MESSAGE_BYTES:
        return message
    return encoded[: MESSAGE_BYTES - len("…".encode())].decode(errors="ignore") + "…"


def event_name(subject: str, unique: int) -> str:
    """Return a name for an Event about `subject`; one whose name no Event can have is left out of it."""
    name = f"{subject}.{unique:x}"
    return name if len(name) <= _NAME_CHARACTERS and _SUBDOMAIN.fullmatch(name) else f"event.{unique:x}"
