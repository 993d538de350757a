"""The one exception tree. A raised error carries what a user needs: reason, message, remedy, whether to retry."""

from dataclasses import dataclass, field
from typing import Any


class KaitoError(Exception):
    """Something went wrong that has a name.

    `reason` is a CamelCase word from a closed list of the raising package: it becomes a condition reason, an event
    reason and a metric label. `message` says what happened and in which object or field, `remedy` what to do about it.
    A `terminal` error is not retried until the object, or what it depends on, changes. `retry_after` (seconds) replaces
    the queue's back-off for one that is not.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        terminal: bool = False,
        retry_after: float | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.terminal = terminal
        self.retry_after = retry_after
        self.remedy = remedy

    @property
    def advice(self) -> str:
        """What happened and what to do about it, as one text for a person."""
        return f"{self.message.rstrip('.')}. {self.remedy}" if self.remedy else self.message

    def __str__(self) -> str:
        return f"{self.reason}: {self.advice}"


@dataclass(frozen=True)
class Status:
    """The `metav1.Status` that an API server answers a failed request with."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    continue_token: str = ""
    """With a 410 of a list: where to go on, at the price of a list that is not of one moment."""


class ApiError(KaitoError):
    """An API server refused a request. `status` is its own account; `code` is the HTTP status code.

    `warnings` go out with a refusal of our own API server; a client that was refused has none.
    """

    warnings: tuple[str, ...] = ()

    def __init__(self, status: Status, *, retry_after: float | None = None) -> None:
        super().__init__(status.reason or "ApiError", status.message, retry_after=retry_after)
        self.status = status
        self.code = status.code


class NotFoundError(ApiError):
    """404: the object, or the resource itself, does not exist."""


class AlreadyExistsError(ApiError):
    """409 AlreadyExists: a create of a name that is taken."""


class ConflictError(ApiError):
    """409 Conflict: the object changed since it was read, or another manager owns an applied field."""


class InvalidError(ApiError):
    """422 or 400: the server will never take this object as it is."""


class ForbiddenError(ApiError):
    """401 or 403: who we are may not do this."""


class ExpiredError(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class TooManyRequestsError(ApiError):
    """429: the server asks for patience; `retry_after` says how much."""


class ConnectionLostError(KaitoError):
    """The server could not be reached, or the connection broke before an answer came. A write may have happened."""

    def __init__(self, message: str) -> None:
        super().__init__("ConnectionLost", message)


_UID = "metadata.uid"
_BY_REASON: dict[str, type[ApiError]] = {"AlreadyExists": AlreadyExistsError, "Conflict": ConflictError}
_BY_CODE: dict[int, type[ApiError]] = {
    400: InvalidError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
    429: TooManyRequestsError,
}


def api_error(status: Status, *, retry_after: float | None = None) -> ApiError:
    """Return the exception for a `Status`: by reason where 409 has two meanings, else by code.

    A patch that names the uid of an object that is gone, when another has its name, is answered with 422: to its
    writer that is a conflict like any other.
    """
    kind = _BY_REASON.get(status.reason) or _BY_CODE.get(status.code, ApiError)
    if kind is InvalidError and {cause.get("field") for cause in status.details.get("causes") or ()} == {_UID}:
        kind = ConflictError
    return kind(status, retry_after=retry_after)
