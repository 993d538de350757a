"""The audit log: one JSON line per finished request, in the shape of audit.k8s.io/v1 Events of level Metadata.

Bodies are never written, so no secret can be. A buffered file: lines reach the disk when the buffer is full or flushed.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

import orjson

from kaito.apiserver.request import Target
from kaito.core.clock import micro_timestamp
from kaito.core.errors import Status
from kaito.core.objects import Object

RESULT_VERSION = "kaito.sh/resource-version"
"""Annotation of an audit event: the resourceVersion of the object that the request wrote."""

_BUFFER_BYTES = 1 << 18


@dataclass
class AuditEvent:
    """One request as the log will tell it; handlers fill in what they learn."""

    received: datetime
    uri: str
    verb: str
    user_agent: str = ""
    source: str = ""
    user: str = "system:anonymous"
    groups: tuple[str, ...] = ("system:unauthenticated",)
    target: Target | None = None
    name: str = ""
    result_version: str = ""
    refused: Status | None = None
    audit_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def line(self, code: int, now: datetime) -> bytes:
        """Return the JSON of the event once its answer is known."""
        event: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": self.audit_id,
            "stage": "ResponseComplete",
            "requestURI": self.uri,
            "verb": self.verb,
            "user": {"username": self.user, "groups": list(self.groups)},
            "sourceIPs": [self.source],
            "userAgent": self.user_agent,
            "responseStatus": {"metadata": {}, **self._refusal(), "code": code},
            "requestReceivedTimestamp": micro_timestamp(self.received),
            "stageTimestamp": micro_timestamp(now),
        }
        if self.target is not None:
            event["objectRef"] = self._object_reference(self.target)
        if self.result_version:
            event["annotations"] = {RESULT_VERSION: self.result_version}
        return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)

    def _refusal(self) -> Object:
        """Return a refusal's reasons. Its messages stay out, which a real server logs: they may quote a Secret."""
        if self.refused is None:
            return {}
        causes = [{"reason": cause.get("reason", "")} for cause in self.refused.details.get("causes") or ()]
        return {"status": "Failure", "reason": self.refused.reason, "details": {"causes": causes}}

    def _object_reference(self, target: Target) -> Object:
        reference = {
            "resource": target.plural,
            "namespace": target.namespace,
            "name": target.name or self.name,
            "apiGroup": target.gv.group,
            "apiVersion": target.gv.version,
            "subresource": target.subresource,
            "resourceVersion": self.result_version,
        }
        return {name: value for name, value in reference.items() if value}


ADMIN = "kubernetes-admin"
"""Whoever holds the server's own token."""


class AuditLog:
    """Appends audit events to a file; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[bytes] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=_BUFFER_BYTES)

    def write(self, event: AuditEvent, code: int, now: datetime) -> None:
        """Take one finished request in."""
        if self._file is not None:
            self._file.write(event.line(code, now))

    def flush(self) -> None:
        """Bring what was taken in to the file."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        if self._file is not None:
            self._file.close()
