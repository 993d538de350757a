"""Validators: what each of their ends is answered with."""

import msgspec
import pytest

from kaito.core import InvalidError, KaitoError, Kind, Status
from kaito.core.admission import validating


class Thing(msgspec.Struct):
    size: int


THING = Kind("example.org/v1", "Thing", Thing)
CAUSES = {"causes": [{"field": "size", "reason": "FieldValueInvalid", "message": "too big"}]}


class Judge:
    """Warns and raises as it is told; remembers what it was asked."""

    def __init__(self, warning="", error=None):
        self.warning, self.error, self.asked = warning, error, []

    async def validate_create(self, obj, warn):
        await self._judge(warn, obj.size)

    async def validate_update(self, old, new, warn):
        await self._judge(warn, old.size, new.size)

    async def validate_delete(self, obj, warn):
        await self._judge(warn, obj.size)

    async def _judge(self, warn, *sizes):
        self.asked.append(sizes)
        if self.warning:
            warn(self.warning)
        if self.error is not None:
            raise self.error


OPERATIONS = [
    ("CREATE", {"size": 1}, None, (1,)),
    ("UPDATE", {"size": 2}, {"size": 1}, (1, 2)),
    ("DELETE", None, {"size": 1}, (1,)),
]


@pytest.mark.parametrize(("operation", "obj", "old", "sizes"), OPERATIONS)
@pytest.mark.parametrize("warning", ["", "beware"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 200),
        (InvalidError(Status(422, "Invalid", "size: too big", CAUSES)), 422),
        (KaitoError("TooBig", "it is too big", remedy="Make it smaller."), 403),
    ],
    ids=["plain", "status error", "other error"],
)
async def test_each_operation_is_judged_and_answered_and_warnings_are_kept(
    request_of, operation, obj, old, sizes, warning, error, code
):
    judge = Judge(warning, error)
    verdict = await validating(THING, judge)(request_of(operation, obj, old))
    assert judge.asked == [sizes]
    assert verdict.allowed == (error is None)
    assert verdict.warnings == ((warning,) if warning else ())
    if code == 422:
        assert (verdict.status.code, verdict.status.details) == (422, CAUSES)
    if code == 403:
        assert (verdict.status, verdict.message) == (None, "it is too big. Make it smaller.")


async def test_a_connect_passes_unasked(request_of):
    judge = Judge(error=KaitoError("No", "no"))
    assert (await validating(THING, judge)(request_of("CONNECT"))).allowed
    assert judge.asked == []


async def test_an_object_that_does_not_fit_the_model_is_a_bad_request(request_of):
    judge = Judge()
    verdict = await validating(THING, judge)(request_of("CREATE", {"size": "big"}))
    assert (verdict.allowed, verdict.status.code) == (False, 400)
    assert "size" in verdict.status.message
    assert judge.asked == []


async def test_a_defect_of_a_validator_is_not_taken_for_a_refusal(request_of):
    with pytest.raises(ZeroDivisionError):
        await validating(THING, Judge(error=ZeroDivisionError()))(request_of("CREATE", {"size": 1}))
