"""What a phase answers: what to write, and whether the Workspace may go on."""

from dataclasses import dataclass
from typing import Any

from kaito.contracts import AdapterSet
from kaito.controllers.workspace.views import Pod
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
class CopyCredentials:
    """Bring the Secret with copies of these pull secrets up to date; no request where the copy is as it was."""

    secrets: tuple[str, ...]


@dataclass(frozen=True)
class DeleteCredentials:
    """Deletion of that Secret, which nothing needs any more."""


@dataclass(frozen=True)
class SetFinalizers:
    """Replace the Workspace's finalizers."""

    finalizers: tuple[str, ...]


Action = Apply | Create | Delete | Patch | CreateAdminSecret | CopyCredentials | DeleteCredentials | SetFinalizers


@dataclass(frozen=True)
class TellServer:
    """PUT of the wanted adapters to the server of one pod, again until it takes or refuses them."""

    pod: Pod
    adapter_set: AdapterSet


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
    """The answer of one phase. Without an outcome the next phase runs; `plan` is handed on to it.

    `errands` are run beside the writes, and nobody waits for them. `again` is in how many seconds to look again at what
    nobody tells of, None for never.
    """

    actions: tuple[Action, ...] = ()
    outcome: Wait | Failure | None = None
    plan: Plan | None = None
    errands: tuple[TellServer, ...] = ()
    again: float | None = None
