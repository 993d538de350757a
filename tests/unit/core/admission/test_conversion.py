"""Conversion by way of the hub, and the review that asks for it."""

import orjson
import pytest

from kaito.core import KaitoError
from kaito.core.admission import Conversion, Spoke
from kaito.core.admission.conversion import read_conversion, write_conversion


def renaming(name):
    """A spoke whose only field has another name; one without it cannot be converted."""

    def to_hub(obj):
        if name not in obj:
            raise KaitoError("FieldMissing", f"{obj['metadata']['name']} has no {name}")
        obj["hub"] = obj.pop(name)
        return obj

    def from_hub(obj):
        obj[name] = obj.pop("hub")
        return obj

    return Spoke(to_hub, from_hub)


CONVERSION = Conversion("example.org/v2", v1=renaming("one"), v3=renaming("three"))
OBJECTS = {
    "example.org/v1": {"one": 5},
    "example.org/v2": {"hub": 5},
    "example.org/v3": {"three": 5},
}


def thing(version, **fields):
    return {"apiVersion": version, "kind": "Thing", "metadata": {"name": "a"}, **fields}


@pytest.mark.parametrize("present", OBJECTS)
@pytest.mark.parametrize("wanted", OBJECTS)
def test_every_version_becomes_every_other(present, wanted):
    assert CONVERSION.convert(thing(present, **OBJECTS[present]), wanted) == thing(wanted, **OBJECTS[wanted])


@pytest.mark.parametrize(("present", "wanted"), [("example.org/v9", "example.org/v2"), ("example.org/v1", "v1")])
def test_an_unknown_version_is_named(present, wanted):
    with pytest.raises(KaitoError, match="VersionUnknown"):
        CONVERSION.convert(thing(present, one=1), wanted)


def test_a_review_is_read_and_answered_with_its_uid():
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": {"uid": "u-1", "desiredAPIVersion": "example.org/v2", "objects": [thing("example.org/v1", one=5)]},
    }
    request = read_conversion(orjson.dumps(body))
    assert (request.uid, request.desired_api_version, len(request.objects)) == ("u-1", "example.org/v2", 1)
    assert orjson.loads(write_conversion("u-1", request.objects)) == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "response": {"uid": "u-1", "convertedObjects": request.objects, "result": {"status": "Success"}},
    }


async def test_one_object_that_fails_fails_the_review(serve_conversion):
    ask = await serve_conversion(CONVERSION)
    answer = await ask("example.org/v2", [thing("example.org/v1", one=5), thing("example.org/v1")])
    assert answer["response"] == {
        "uid": "u-1",
        "convertedObjects": [],
        "result": {"status": "Failure", "message": "a has no one"},
    }
    answer = await ask("example.org/v3", [thing("example.org/v1", one=5), thing("example.org/v2", hub=6)])
    assert [obj["three"] for obj in answer["response"]["convertedObjects"]] == [5, 6]


async def test_a_defect_of_a_conversion_fails_the_review_and_is_counted(serve_conversion):
    def broken(obj):
        raise ValueError("the password is hunter2")

    ask = await serve_conversion(Conversion("example.org/v2", v1=Spoke(broken, broken)))
    answer = await ask("example.org/v2", [thing("example.org/v1")])
    assert answer["response"]["result"]["status"] == "Failure"
    assert "hunter2" not in str(answer)
    assert ask.registry.get_sample_value("controller_runtime_conversion_webhook_panics_total") == 1
    assert await ask("example.org/v2", body=b"{}") == 400
