"""Names, labels and reading of node claims."""

from hypothesis import given
from hypothesis import strategies as st

from kaito.controllers.workspace.claims import claim_labels, claim_name


@given(st.uuids(), st.uuids(), st.integers(0, 999))
def test_a_claims_name_depends_on_workspace_and_ordinal_alone(one, other, ordinal):
    name = claim_name(str(one), ordinal)
    assert name == claim_name(str(one), ordinal)
    assert len(name) == 11
    assert name.startswith("ws")
    assert name != claim_name(str(one), ordinal + 1)
    if one != other:
        assert name != claim_name(str(other), ordinal)


def test_a_claims_name_is_fixed_for_good():
    """A claim under another name would be a second machine after an upgrade of the controller."""
    assert claim_name("11111111-2222-3333-4444-555555555555", 0) == "wse77d74b33"


def test_a_users_labels_cannot_say_whose_the_node_is(a):
    labels = "{apps: phi-3, kaito.sh/workspace: other, kaito.sh/workspacenamespace: elsewhere}"
    workspace = a.workspace(a.manifest.replace("{apps: phi-3}", labels))
    assert claim_labels(workspace) == {
        "apps": "phi-3",
        "kaito.sh/workspace": "phi",
        "kaito.sh/workspacenamespace": "team",
    }


def test_a_claim_is_read_with_its_first_condition_that_does_not_hold(a):
    claim = a.claim("MachineInitialized", "Unknown", "ResourceNotRegistered", "no GPU yet")
    assert (claim.launched, claim.ready, claim.failed) == (True, False, False)
    assert (claim.hindrance.condition, claim.hindrance.message) == ("MachineInitialized", "no GPU yet")
    assert a.ready_claim().hindrance is None
    assert a.claim(status="False", reason="QuotaExceeded").failed
    assert not a.claim(status="Unknown", reason="QuotaExceeded").failed
