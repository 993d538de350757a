import pytest

from kaito.apiserver.patch import json_patch
from kaito.core.errors import InvalidError

POD = {"metadata": {"name": "a", "labels": {"x/y": "1"}}, "list": [1, 2]}


@pytest.mark.parametrize(
    ("operations", "path", "value"),
    [
        ([{"op": "replace", "path": "/metadata/name", "value": "b"}], ("metadata", "name"), "b"),
        ([{"op": "add", "path": "/list/-", "value": 3}], ("list",), [1, 2, 3]),
        (
            [{"op": "add", "path": "/metadata/labels/x~1z", "value": "2"}],
            ("metadata", "labels"),
            {"x/y": "1", "x/z": "2"},
        ),
        ([{"op": "remove", "path": "/list/0"}], ("list",), [2]),
        (
            [{"op": "test", "path": "/list/0", "value": 1}, {"op": "copy", "from": "/list/0", "path": "/one"}],
            ("one",),
            1,
        ),
        (
            [{"op": "move", "from": "/metadata/name", "path": "/metadata/generateName"}],
            ("metadata", "generateName"),
            "a",
        ),
    ],
)
def test_carries_out_each_operation(operations, path, value):
    result = json_patch(POD, operations)
    for name in path:
        result = result[name]
    assert result == value


def test_the_target_is_left_as_it_was():
    json_patch(POD, [{"op": "remove", "path": "/list"}])
    assert POD["list"] == [1, 2]


@pytest.mark.parametrize(
    ("operations", "code", "words"),
    [
        ({"op": "add"}, 400, "must be a list"),
        ([{"op": "frob", "path": "/a"}], 422, "operation 0"),
        (["remove"], 400, "operation 0"),
        ([{"op": "replace", "path": "/list/9", "value": 1}], 422, "operation 0 (replace /list/9)"),
        ([{"op": "add", "path": "/a", "value": 1}, {"op": "remove", "path": "/b/c"}], 422, "operation 1 (remove /b/c)"),
        ([{"op": "test", "path": "/list/0", "value": 9}], 422, "testing value at /list/0 failed"),
        ([{"op": "replace", "path": "", "value": [1]}], 422, "leaves no object"),
    ],
)
def test_a_refusal_names_the_operation(operations, code, words):
    with pytest.raises(InvalidError) as caught:
        json_patch(POD, operations)
    assert caught.value.code == code
    assert words in caught.value.message
