"""What `kaito status` shows of adapters."""

from kaito.cli.adapters import HEADING, adapter_links, adapter_rows
from kaito.cli.explain import Link

WORKSPACE = {
    "metadata": {"name": "phi"},
    "status": {
        "adapters": [
            {"name": "poems", "state": "Ready", "source": "reg.example.org/poems:1", "strength": "0.5", "rank": 8},
            {"name": "prose", "state": "Failed", "reason": "DiskFull", "message": "No room.", "source": "o/r"},
            {"name": "phi", "state": "Loading", "message": "2 adapters"},
        ]
    },
}


def test_each_adapter_has_a_row_with_why_it_is_not_served():
    assert HEADING[:2] == ("ADAPTER", "STATE")
    assert adapter_rows(WORKSPACE) == [
        ("poems", "Ready", "0.5", "8", "reg.example.org/poems:1", "-"),
        ("prose", "Failed", "1", "-", "o/r", "DiskFull: No room."),
        ("phi", "Loading", "1", "-", "-", "2 adapters"),
    ]
    assert adapter_rows({"metadata": {"name": "new"}}) == []


def test_each_adapter_is_a_link_of_the_chain():
    assert list(adapter_links(WORKSPACE)) == [
        Link("adapter poems", "ok", "Ready"),
        Link("adapter prose", "failed", "Failed: DiskFull: No room."),
        Link("adapter phi", "waiting", "Loading: 2 adapters"),
    ]
