"""What a Workspace leaves out and the controller assumes, written down where a user can see it. Pure.

Only fields that may change later: an immutable one, filled in while the webhook runs, would be refused when the same
manifest is applied while it does not. Defaults of single fields stand in the CRD, and hold without the webhook.
"""

from typing import Any, Final

FULL_STRENGTH: Final = "1.0"
"""An adapter's strength where none is given, from upstream."""


def additions(workspace: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the JSON patch that adds what is missing, and changes nothing that is there."""
    inference = workspace.get("inference")
    adapters = inference.get("adapters") if isinstance(inference, dict) else None
    if not isinstance(adapters, list):
        return ()
    return tuple(
        {"op": "add", "path": f"/inference/adapters/{index}/strength", "value": FULL_STRENGTH}
        for index, adapter in enumerate(adapters)
        if isinstance(adapter, dict) and "strength" not in adapter
    )
