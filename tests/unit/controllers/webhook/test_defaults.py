"""What is added to a Workspace, and that nothing that is there is touched."""

import copy

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.controllers.webhook.defaults import additions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ADAPTERS = JSON | st.lists(JSON | st.dictionaries(st.sampled_from(["source", "strength"]), JSON), max_size=4)
WORKSPACES = st.fixed_dictionaries(
    {}, optional={"inference": JSON | st.fixed_dictionaries({}, optional={"adapters": ADAPTERS, "preset": JSON})}
)


@pytest.mark.parametrize(
    ("adapters", "added"),
    [
        (None, []),
        ([], []),
        ([{"strength": "0.5"}], []),
        ([{"strength": None}], []),
        ([{"source": {}}, {"strength": "0"}, {}], [0, 2]),
    ],
)
def test_an_adapter_without_a_strength_has_full_strength(adapters, added):
    inference = {} if adapters is None else {"adapters": adapters}
    patch = additions({"inference": inference})
    paths = [f"/inference/adapters/{index}/strength" for index in added]
    assert [(one["op"], one["path"], one["value"]) for one in patch] == [("add", path, "1.0") for path in paths]


@given(workspace=WORKSPACES)
def test_whatever_is_sent_what_is_there_stays_and_a_second_look_adds_nothing(workspace):
    before = copy.deepcopy(workspace)
    changed = jsonpatch.apply_patch(workspace, list(additions(workspace)))
    assert workspace == before
    assert additions(changed) == ()
    for index in {int(one["path"].split("/")[3]) for one in additions(workspace)}:
        del changed["inference"]["adapters"][index]["strength"]
    assert changed == before
