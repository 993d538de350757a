"""The exception tree."""

import pytest

from kaito.core import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    KaitoError,
    NotFoundError,
    Status,
    TooManyRequestsError,
    api_error,
)


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", InvalidError),
        (401, "Unauthorized", ForbiddenError),
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (409, "AlreadyExists", AlreadyExistsError),
        (409, "Conflict", ConflictError),
        (409, "", ConflictError),
        (410, "Expired", ExpiredError),
        (422, "Invalid", InvalidError),
        (429, "TooManyRequests", TooManyRequestsError),
        (500, "InternalError", ApiError),
    ],
)
def test_a_status_becomes_the_exception_of_its_kind(code, reason, expected):
    error = api_error(Status(code, reason, "why"), retry_after=3)
    assert type(error) is expected
    assert (error.code, error.message, error.retry_after) == (code, "why", 3)


@pytest.mark.parametrize("message", ["it is full", "it is full."])
def test_an_error_reads_as_sentences(message):
    assert str(KaitoError("Full", message, remedy="Empty it.")) == "Full: it is full. Empty it."
    assert str(KaitoError("Full", "it is full")) == "Full: it is full"


def test_advice_is_one_text_of_what_happened_and_what_to_do():
    assert KaitoError("R", "It broke.", remedy="Mend it.").advice == "It broke. Mend it."
    assert KaitoError("R", "It broke", remedy="Mend it.").advice == "It broke. Mend it."
    assert KaitoError("R", "It broke").advice == "It broke"
