"""What is known beside the cache: what servers said, and how the copies of registry credentials are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kaito.contracts import RuntimeStatus


@dataclass(frozen=True)
class Refusal:
    """A server's no to the set of a generation. `adapter` is empty where no single one is at fault."""

    generation: int
    message: str
    adapter: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Credentials:
    """The copy of pull secrets: from which Secrets it was last made, what was wrong with some, when to look again.

    `due_in` is in seconds, `doubted_in` for when there is reason to doubt the copy; one that was never made by this
    process is due at once.
    """

    secrets: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    due_in: float = 0.0
    doubted_in: float = 0.0


NO_CREDENTIALS: Final = Credentials()


@dataclass(frozen=True)
class Known:
    """What the servers of all Workspaces said, by pod uid, and the credentials of one."""

    statuses: Mapping[str, RuntimeStatus] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    credentials: Credentials = NO_CREDENTIALS
