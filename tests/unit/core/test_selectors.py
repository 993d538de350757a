"""Selectors select what Kubernetes' documentation says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.core import KaitoError, Selector, parse_selector
from kaito.core.selectors import FieldRequirement, parse_field_selector

LABELS = {"app": "web", "tier": "front", "rank": "7", "empty": ""}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=db", True),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("missing notin (db)", True),
        ("app notin (web,db)", False),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("rank>6", True),
        ("rank<7", False),
        ("app>1", False),
        ("empty=", True),
        ("example.org/x!=1,app in (web),!missing", True),
    ],
)
def test_a_selector_matches_as_documented(text, selected):
    assert parse_selector(text).matches(LABELS) is selected


@pytest.mark.parametrize("text", ["a=b=c", "a in b", "=b", "a in (b", "a,,b", "a b", "Bad/=x", "a>x", "-a=b"])
def test_what_is_no_selector_is_refused_with_a_remedy(text):
    with pytest.raises(KaitoError) as caught:
        parse_selector(text)
    assert caught.value.reason == "InvalidSelector"
    assert caught.value.terminal
    assert caught.value.remedy


_labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y", "3", "4"]))
_requirements = st.one_of(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["In", "NotIn"]), st.lists(st.sampled_from("xy"), min_size=1)),
    st.tuples(st.sampled_from("abc"), st.sampled_from(["Exists", "DoesNotExist"]), st.just([])),
    st.tuples(st.sampled_from("abc"), st.sampled_from(["Gt", "Lt"]), st.just(["3"])),
)


@given(st.lists(_requirements, max_size=4), _labels)
def test_the_query_form_says_the_same_as_the_json_form(requirements, labels):
    selector = Selector.from_label_selector(
        {"matchExpressions": [{"key": k, "operator": o, "values": v} for k, o, v in requirements]}
    )
    assert parse_selector(str(selector)).matches(labels) == selector.matches(labels)


def test_no_label_selector_selects_nothing_and_an_empty_one_everything():
    assert not Selector.from_label_selector(None).matches({})
    assert Selector.from_label_selector({}).matches({"a": "b"})
    assert Selector.from_label_selector({"matchLabels": {"app": "web"}}).matches(LABELS)


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["x"]},
        {"key": "a", "operator": "Like", "values": ["x"]},
        {"key": "a", "operator": "Gt", "values": ["x"]},
    ],
)
def test_an_expression_that_the_api_refuses_is_refused(expression):
    with pytest.raises(KaitoError, match="InvalidSelector"):
        Selector.from_label_selector({"matchExpressions": [expression]})


def test_field_selectors_split_and_unescape():
    assert parse_field_selector(r"metadata.name=a\,b,status.phase!=Running") == (
        FieldRequirement("metadata.name", "a,b"),
        FieldRequirement("status.phase", "Running", equal=False),
    )
    with pytest.raises(KaitoError, match="InvalidSelector"):
        parse_field_selector("nothing")
