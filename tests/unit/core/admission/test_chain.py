"""Several handlers at one path."""

import jsonpatch
import pytest

from kaito.core.admission import Verdict, all_mutating, all_validating, patch_between


def saying(*warnings, allowed=True, message=""):
    async def handle(request):
        handle.asked += 1
        return Verdict(allowed, warnings, message=message)

    handle.asked = 0
    return handle


def setting(name):
    async def handle(request):
        after = {**request.object, name: len(request.object)}
        return Verdict(warnings=(name,), patch=patch_between(request.object, after))

    return handle


async def test_the_first_refusal_counts_and_warnings_accumulate(request_of):
    last = saying("three")
    chain = all_validating(saying("one"), saying("two", allowed=False, message="no"), last)
    verdict = await chain(request_of())
    assert verdict == Verdict(False, ("one", "two"), message="no")
    assert last.asked == 0


async def test_where_all_allow_it_is_allowed_with_the_warnings_of_all(request_of):
    assert await all_validating(saying("one"), saying(), saying("two"))(request_of()) == Verdict(
        warnings=("one", "two")
    )


async def test_each_mutating_handler_sees_what_the_one_before_it_made(request_of):
    verdict = await all_mutating(setting("a"), saying(), setting("b"))(request_of(obj={"x": 0}))
    assert jsonpatch.JsonPatch(list(verdict.patch)).apply({"x": 0}) == {"x": 0, "a": 1, "b": 2}
    assert verdict.warnings == ("a", "b")


@pytest.mark.parametrize("refuses_first", [True, False])
async def test_a_refusal_among_mutating_handlers_changes_nothing(request_of, refuses_first):
    handlers = [saying(allowed=False, message="no"), setting("a")]
    verdict = await all_mutating(*(handlers if refuses_first else reversed(handlers)))(request_of(obj={}))
    assert (verdict.allowed, verdict.patch, verdict.message) == (False, (), "no")
