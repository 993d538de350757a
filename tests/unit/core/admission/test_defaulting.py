"""Defaulters: what they change, and what they leave as it was."""

import jsonpatch
import msgspec
import pytest
from pydantic import BaseModel

from kaito.core import KaitoError, Kind
from kaito.core.admission import defaulting


class Part(BaseModel):
    name: str
    size: int | None = None


class Model(BaseModel):
    parts: list[Part] = []
    color: str | None = None
    label: str = "none"


class Struct(msgspec.Struct):
    parts: list[dict] = []
    color: str | None = None
    label: str = "none"


async def red(obj):
    obj.color = obj.color or "red"


async def red_json(obj):
    obj.setdefault("color", "red")


async def first_part(obj):
    obj.parts[0].size = 1


async def run(request_of, model, default, obj, **options):
    kind = Kind("example.org/v1", "Thing", model)
    verdict = await defaulting(kind, default, **options)(request_of("CREATE", obj))
    assert verdict.allowed
    return jsonpatch.JsonPatch(list(verdict.patch)).apply(obj), verdict.patch


@pytest.mark.parametrize(("model", "default"), [(Model, red), (Struct, red), (dict, red_json)])
async def test_what_a_defaulter_sets_is_the_whole_patch(request_of, model, default):
    after, patch = await run(request_of, model, default, {"unknown": 1})
    assert after == {"unknown": 1, "color": "red"}
    assert patch == ({"op": "add", "path": "/color", "value": "red"},)


async def test_what_changes_nothing_has_no_patch(request_of):
    assert (await run(request_of, Model, red, {"color": "blue"}))[1] == ()


async def test_fields_that_the_model_does_not_know_are_kept(request_of):
    obj = {"parts": [{"name": "a", "unknown": [1]}, {"name": "b", "unknown": {}}], "unknown": True}
    after, _ = await run(request_of, Model, first_part, obj)
    assert after == {
        "parts": [{"name": "a", "unknown": [1], "size": 1}, {"name": "b", "unknown": {}}],
        "unknown": True,
    }


async def test_fields_that_the_model_does_not_know_are_removed_on_request(request_of):
    obj = {"parts": [{"name": "a", "unknown": [1]}], "unknown": True}
    after, _ = await run(request_of, Model, red, obj, remove_unknown=True)
    assert after == {"parts": [{"name": "a"}], "color": "red"}


async def test_what_a_defaulter_removes_is_removed_and_unknown_fields_beside_it_are_kept(request_of):
    async def remove(obj):
        del obj["old"]
        obj["nested"].pop("gone")

    after, _ = await run(request_of, dict, remove, {"old": 1, "nested": {"gone": 1, "kept": 2}})
    assert after == {"nested": {"kept": 2}}


async def test_a_model_that_cannot_be_changed_is_returned_anew(request_of):
    class Frozen(msgspec.Struct, frozen=True):
        color: str = ""

    async def red_one(obj):
        return Frozen("red")

    assert (await run(request_of, Frozen, red_one, {"x": 1}))[0] == {"x": 1, "color": "red"}


async def test_a_delete_passes_untouched(request_of):
    verdict = await defaulting(Kind("example.org/v1", "Thing", Model), red)(request_of("DELETE", None, {"x": 1}))
    assert (verdict.allowed, verdict.patch) == (True, ())


async def test_a_defaulter_may_refuse(request_of):
    async def refuse(obj):
        raise KaitoError("No", "no")

    verdict = await defaulting(Kind("example.org/v1", "Thing", Model), refuse)(request_of("CREATE", {}))
    assert (verdict.allowed, verdict.message) == (False, "no")
