"""Items come out whole and in order, however the body was cut and written."""

import msgspec
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kaito.core.client.items import ItemSplitter

TRAPS = st.sampled_from(["x", '},{"metadata":', '"items":[', "}]}", "\\", "é\n", '"'])
VALUES = st.recursive(
    TRAPS | st.integers(-9, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["metadata", "items", "z"]), inner),
    max_leaves=6,
)
ITEMS = st.lists(st.dictionaries(st.sampled_from(["metadata", "spec", "items"]), VALUES, min_size=1), max_size=8)


def body_of(items, **others):
    page = {"kind": "ThingList", "metadata": {"resourceVersion": "7", "continue": "t"}, "items": items, **others}
    return orjson.dumps(page)


def split(body, size):
    splitter = ItemSplitter()
    items = [bytes(item) for at in range(0, len(body), size) for item in splitter.feed(body[at : at + size])]
    page = splitter.finish()
    return items + [bytes(item) for item in page.items or ()], len(items), page


def names(items):
    return [orjson.loads(item)["metadata"]["name"] for item in items]


@given(ITEMS, st.integers(1, 60))
@example([{"metadata": {"x": [{"metadata": 1}, {"metadata": 2}]}}, {"metadata": 3}, {"metadata": 4}], 40)
@example([{"spec": 1}, {"metadata": 2}, {"spec": 3}], 20)
def test_any_cutting_gives_the_items_and_the_metadata_of_the_whole(items, size):
    found, _, page = split(body_of(items), size)
    assert [orjson.loads(item) for item in found] == items
    assert (page.kind, page.metadata.resource_version, page.metadata.continue_) == ("ThingList", "7", "t")


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"ThingList","metadata":{"resourceVersion":"7"},"items":null}',
        b'{"kind":"ThingList","metadata":{"resourceVersion":"7"},"items":[]}',
        b'{"kind":"ThingList","metadata":{"resourceVersion":"7"}}',
    ],
    ids=["null", "empty", "absent"],
)
def test_a_list_may_have_no_items(body):
    found, _, page = split(body, 9)
    assert not found
    assert page.metadata.resource_version == "7"


def test_the_metadata_may_come_behind_the_items():
    items = [{"metadata": {"name": str(number)}} for number in range(50)]
    body = orjson.dumps({"kind": "ThingList", "items": items, "metadata": {"resourceVersion": "7"}})
    found, early, page = split(body, 100)
    assert names(found) == [str(number) for number in range(50)]
    assert early > 40
    assert page.metadata.resource_version == "7"


def test_a_list_that_is_written_with_spaces_is_read_as_a_whole():
    body = orjson.dumps(orjson.loads(body_of([{"metadata": {"name": "a"}}] * 9)), option=orjson.OPT_INDENT_2)
    found, early, _ = split(body, 50)
    assert (early, len(found)) == (0, 9)


@pytest.mark.parametrize("end", [1, 2, 3, 30, 200], ids=str)
def test_a_body_that_was_cut_off_is_no_list(end):
    body = body_of([{"metadata": {"name": "a" * 30}}] * 9)
    with pytest.raises(msgspec.MsgspecError):
        split(body[:-end], 64)


def test_an_answer_of_another_kind_says_so():
    _, _, page = split(b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","columnDefinitions":[],"rows":[]}', 10)
    assert page.kind == "Table"


def test_what_was_given_out_is_not_kept():
    item = {"metadata": {"name": "a", "annotations": {"x": "y" * 5_000}}}
    body = body_of([item] * 2_000)
    splitter = ItemSplitter()
    held = given_out = 0
    for at in range(0, len(body), 65_536):
        given_out += len(splitter.feed(body[at : at + 65_536]))
        held = max(held, sum(map(len, splitter._rest)))
    assert held < 80_000
    assert given_out == 1_999


def test_an_item_longer_than_any_chunk_comes_out_whole():
    items = [{"metadata": {"name": str(number)}, "x": "y" * 300_000} for number in range(4)]
    found, early, _ = split(body_of(items), 65_536)
    assert [orjson.loads(item) for item in found] == items
    assert early == 3
