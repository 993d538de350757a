"""What a phase answers: what to write, and whether the Workspace may go on."""

from dataclasses import dataclass
from typing import Any

from kaito.core.objects import Key, Kind, Object
from kaito.presets import Plan


@dataclass(frozen=True)
class Apply:
    """Server-side apply of an object that the Workspace owns; no request when it is already so."""

    obj: Object


@dataclass(frozen=True)
class Create:
    """POST of an object with a deterministic name; a name that is taken means it was done before."""

    kind: Kind[Any]
    obj: Object


@dataclass(frozen=True)
class Delete:
    """Deletion of one particular object; one that is gone is as wanted."""

    kind: Kind[Any]
    key: Key
    uid: str


@dataclass(frozen=True)
class Patch:
    """Merge patch of one particular object, which its uid in `body` names; one that is gone needs none."""

    kind: Kind[Any]
    key: Key
    body: Object


@dataclass(frozen=True)
class CreateAdminSecret:
    """POST of the Secret with the admin port's token, which is drawn when it is written; once `for_pod` (a uid)."""

    name: str
    for_pod: str = ""


@dataclass(frozen=True)
class SetFinalizers:
    """Replace the Workspace's finalizers."""

    finalizers: tuple[str, ...]


Action = Apply | Create | Delete | Patch | CreateAdminSecret | SetFinalizers


@dataclass(frozen=True)
class Failure:
    """Something is wrong. A terminal one ends the Workspace until its spec, or what it depends on, changes."""

    reason: str
    message: str
    remedy: str = ""
    terminal: bool = False

    @property
    def text(self) -> str:
        """The message, ending with the remedy."""
        return self.message if self.remedy in self.message else f"{self.message} {self.remedy}"


@dataclass(frozen=True)
class Wait:
    """Nothing more can be done before something happens. `phase` and `message` are the user's words for it.

    `trouble` says that what is waited for has gone wrong and is tried again.
    """

    phase: str
    reason: str
    message: str
    trouble: Failure | None = None


@dataclass(frozen=True)
class Step:
    """The answer of one phase. Without an outcome the next phase runs; `plan` is handed on to it."""

    actions: tuple[Action, ...] = ()
    outcome: Wait | Failure | None = None
    plan: Plan | None = None
