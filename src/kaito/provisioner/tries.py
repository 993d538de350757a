"""What this process remembers of refused launches. After a restart each is simply tried once more."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.api.machine import Machine
from kaito.core.errors import KaitoError
from kaito.provisioner.lifecycle import Refusal, retry_seconds
from kaito.provisioner.limits import Limits


@dataclass(frozen=True)
class Try:
    """A launch that was refused, and what it was refused under."""

    uid: str
    generation: int
    revision: str
    attempts: int
    refusal: Refusal


class Tries:
    """Refused launches by Machine name."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_name: dict[str, Try] = {}

    def standing(self, machine: Machine, revision: str, now: datetime) -> Refusal | None:
        """Return the refusal that still stands; None when the cloud should be asked (again)."""
        last = self._last(machine)
        if last is None or last.generation != machine.metadata.generation or last.revision != revision:
            return None
        retry_at = last.refusal.retry_at
        return last.refusal if retry_at is None or now < retry_at else None

    def refused(self, machine: Machine, revision: str, error: KaitoError, now: datetime) -> Refusal:
        """Remember a refusal and return it with the moment of the next try."""
        last = self._last(machine)
        attempts = last.attempts + 1 if last and last.refusal.error.reason == error.reason else 1
        seconds = retry_seconds(error, attempts, self._limits)
        refusal = Refusal(error, None if seconds is None else now + timedelta(seconds=seconds))
        metadata = machine.metadata
        self._by_name[metadata.name] = Try(metadata.uid, metadata.generation, revision, attempts, refusal)
        return refusal

    def forget(self, name: str) -> None:
        """Drop what is remembered of a Machine."""
        self._by_name.pop(name, None)

    def changed(self, revision: str) -> list[str]:
        """Return the names of Machines that were refused under another revision of the cloud."""
        return [name for name, last in self._by_name.items() if last.revision != revision]

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def _last(self, machine: Machine) -> Try | None:
        last = self._by_name.get(machine.metadata.name)
        return last if last is not None and last.uid == machine.metadata.uid else None
