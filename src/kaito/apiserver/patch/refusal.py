"""How a patch that cannot be carried out is refused."""

from kaito.core.errors import InvalidError, Status


def unprocessable(message: str) -> InvalidError:
    """Return the 422 of a well-formed patch that does not fit the object."""
    return InvalidError(Status(422, "Invalid", message))


def malformed(message: str) -> InvalidError:
    """Return the 400 of a body that is no patch at all."""
    return InvalidError(Status(400, "BadRequest", message))
