"""How a patch that cannot be carried out is refused."""

from typing import Any

from kaito.core.errors import ApiError, InvalidError, Status, api_error


def unprocessable(message: str) -> InvalidError:
    """Return the 422 of a well-formed patch that does not fit the object."""
    return InvalidError(Status(422, "Invalid", message))


def malformed(message: str) -> InvalidError:
    """Return the 400 of a body that is no patch at all."""
    return InvalidError(Status(400, "BadRequest", message))


def unmergeable(message: str) -> ApiError:
    """Return the 500 of a strategic merge patch whose items cannot be told apart."""
    return api_error(Status(500, "", message))


def unknown_directive(word: Any, patch: Any) -> ApiError:
    """Return the 500 of a `$patch` that says what no server does."""
    return unmergeable(f"unknown patch type: {word} in map: {patch}")
