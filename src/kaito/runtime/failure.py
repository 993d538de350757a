"""What ends a runtime process: a reason from a closed list, what happened, and what to do about it."""

from typing import Literal, get_args

from kaito.contracts import FailureStatus

Reason = Literal[
    "InvalidFlag",
    "InvalidConfigFile",
    "ModelNotFound",
    "RevisionNotFound",
    "ModelAccessRequired",
    "HubTokenInvalid",
    "HubUnreachable",
    "HubUnavailable",
    "HubRateLimited",
    "DownloadInterrupted",
    "DiskFull",
    "WeightsFolderUnwritable",
    "ModelInvalid",
    "ModelTooLarge",
    "NotEnoughMemory",
    "ContextTooLong",
    "PortInUse",
    "VllmMissing",
    "VllmIncompatible",
    "WarmUpFailed",
    "EngineFailed",
    "EngineDied",
    "EngineHung",
    "UnknownArchitecture",
    "StandInFailed",
    "Internal",
]
"""Why a runtime process could not do its work. Reasons become condition reasons: the list is closed."""

REASONS: frozenset[str] = frozenset(get_args(Reason))

EXIT_FAILED = 1
"""Exit status of a process that failed."""

EXIT_USAGE = 2
"""Exit status for a flag or a configuration file that cannot be understood; trying again cannot help."""


class FatalError(Exception):
    """The process cannot go on. `message` says what happened and to what; `remedy` says what to do about it."""

    def __init__(self, reason: Reason, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message
        self.remedy = remedy

    @property
    def exit_status(self) -> int:
        """2 for what the user typed, 1 for everything else."""
        return EXIT_USAGE if self.reason in {"InvalidFlag", "InvalidConfigFile"} else EXIT_FAILED

    def status(self) -> FailureStatus:
        """Return the shape that the admin port shows."""
        return FailureStatus(reason=self.reason, message=self.message, remedy=self.remedy)

    def __str__(self) -> str:
        return f"{self.reason}: {self.message} {self.remedy}"
