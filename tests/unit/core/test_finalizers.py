"""What holds a deleted object until our work for it is done."""

import pytest

from kaito.core import Finalized, Finalizers, KaitoError, add_finalizer, contains_finalizer, remove_finalizer

A, B, C = "example.org/a", "example.org/b", "example.org/c"


def thing(*finalizers, deleted=False):
    metadata = {"name": "x"}
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata}


@pytest.mark.parametrize(
    ("change", "before", "after", "changed"),
    [
        (add_finalizer, [], [A], True),
        (add_finalizer, [B], [B, A], True),
        (add_finalizer, [A], [A], False),
        (add_finalizer, [A, B], [A, B], False),
        (remove_finalizer, [], [], False),
        (remove_finalizer, [B], [B], False),
        (remove_finalizer, [A], [], True),
        (remove_finalizer, [A, B], [B], True),
        (remove_finalizer, [A, B, A, C, A], [B, C], True),
    ],
)
def test_adding_and_removing_say_whether_something_changed(change, before, after, changed):
    obj = thing(*before)
    assert change(obj, A) is changed
    assert obj["metadata"].get("finalizers", []) == after


@pytest.mark.parametrize(("finalizers", "held"), [([], False), ([B], False), ([A], True), ([B, A, A], True)])
def test_an_object_is_held_by_the_names_it_carries(finalizers, held):
    assert contains_finalizer(thing(*finalizers), A) is held
    assert contains_finalizer({"metadata": {"finalizers": None}}, A) is False


def registry(**results):
    """Finalizers a, b, c that return or raise what is given; and the names of those that ran."""
    ran = []
    finalizers = Finalizers()
    for letter, result in results.items():

        async def finalize(obj, letter=letter, result=result):
            ran.append(letter)
            if isinstance(result, Exception):
                raise result
            return result

        finalizers.register(f"example.org/{letter}", finalize)
    return finalizers, ran


async def test_a_living_object_is_held_by_every_name_and_no_finalizer_runs():
    finalizers, ran = registry(a=None, b=None)
    obj = thing(C, A)
    assert await finalizers.finalize(obj) == Finalized(updated=True)
    assert obj["metadata"]["finalizers"] == [C, A, B]
    assert await finalizers.finalize(obj) == Finalized()
    assert ran == []


async def test_a_deleted_object_is_let_go_by_those_that_hold_it():
    finalizers, ran = registry(a=None, b=None, c=None)
    obj = thing("other", B, A, deleted=True)
    assert await finalizers.finalize(obj) == Finalized(updated=True)
    assert obj["metadata"]["finalizers"] == ["other"]
    assert ran == ["a", "b"]
    assert await finalizers.finalize(obj) == Finalized()


@pytest.mark.parametrize(
    ("results", "updated", "status_updated"),
    [
        ({"a": Finalized()}, True, False),
        ({"a": Finalized(status_updated=True)}, True, True),
        ({"a": Finalized(), "b": Finalized(status_updated=True)}, True, True),
        ({"a": Finalized(error=KaitoError("X", "x"))}, False, False),
        ({"a": Finalized(updated=True, error=KaitoError("X", "x"))}, True, False),
        ({"a": Finalized(status_updated=True, error=KaitoError("X", "x"))}, False, True),
        ({"a": ValueError("x")}, False, False),
        ({"a": ValueError("x"), "b": None}, True, False),
    ],
)
async def test_what_changed_is_the_sum_of_what_each_changed(results, updated, status_updated):
    finalizers, _ = registry(**results)
    found = await finalizers.finalize(thing(A, B, deleted=True))
    assert (found.updated, found.status_updated) == (updated, status_updated)


async def test_failures_are_reported_together_and_hold_the_object():
    finalizers, ran = registry(a=ValueError("one"), b=None, c=Finalized(error=KaitoError("Busy", "three")))
    obj = thing(A, B, C, deleted=True)
    found = await finalizers.finalize(obj)
    assert obj["metadata"]["finalizers"] == [A, C]
    assert ran == ["a", "b", "c"]
    assert found.error is not None
    assert found.error.reason == "FinalizerFailed"
    assert f"{A}: one" in found.error.message
    assert f"{C}: Busy: three" in found.error.message
    assert not found.error.terminal


async def test_a_name_is_registered_once():
    finalizers, _ = registry(a=None)
    with pytest.raises(KaitoError, match=A):
        finalizers.register(A, lambda _: None)
