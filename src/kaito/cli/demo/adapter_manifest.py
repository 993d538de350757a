"""The Workspace of the demo with an adapter in it. Pure."""

import copy
from collections.abc import Sequence
from typing import Any, Final

import yaml

from kaito.core import Object
from kaito.presets import load_presets

ADAPTER: Final = "pirate"
"""Name of the adapter, and the style it is made in."""

REPOSITORY: Final = "demo/pirate:v1"


def workspace_in(documents: Sequence[Any]) -> Object | None:
    """Return the first Workspace of a manifest's documents."""
    return next((one for one in documents if isinstance(one, dict) and one.get("kind") == "Workspace"), None)


def adapter_names(documents: Sequence[Any]) -> list[str]:
    """Return the names of the adapters that the manifest itself asks for."""
    inference = (workspace_in(documents) or {}).get("inference") or {}
    return [str((one.get("source") or {}).get("name")) for one in inference.get("adapters") or ()]


def why_not(documents: Sequence[Any], preset: str, stand_in: bool) -> str:
    """Return why no adapter can be shown on this Workspace; empty when one can. `preset`: the name that it serves."""
    if adapter_names(documents):
        return "the manifest names adapters of its own"
    if not preset:
        return "it serves no preset"
    if load_presets().find(preset).lora is None:
        return f"the preset {preset} takes no LoRA adapters"
    if not stand_in:
        return "its adapter is made for stand-in weights, and this cluster serves others"
    return ""


def adapter_entry(image: str) -> Object:
    """Return the few lines that a manifest needs for an adapter from an image."""
    return {"adapters": [{"source": {"name": ADAPTER, "image": image}, "strength": "1.0"}]}


def with_adapter(documents: Sequence[Any], image: str) -> str:
    """Return the manifest with the adapter in its Workspace."""
    changed = copy.deepcopy(list(documents))
    workspace = workspace_in(changed)
    if workspace is not None:
        workspace["inference"] |= adapter_entry(image)
    return yaml.safe_dump_all(changed, sort_keys=False)


def adapter_state(workspace: Object, name: str) -> Object | None:
    """Return what the status says of an adapter; None where it says nothing."""
    adapters = (workspace.get("status") or {}).get("adapters") or ()
    return next((one for one in adapters if one.get("name") == name), None)


def adapter_line(state: Object) -> str:
    """Return an adapter's state as a line to print."""
    facts = [str(state.get("state"))]
    facts += [f"rank {state['rank']}"] if state.get("rank") is not None else []
    facts += [f"{state['sizeBytes'] / 1000:.0f} kB"] if state.get("sizeBytes") is not None else []
    facts += [str(state["digest"])[:19]] if state.get("digest") else []
    said = ": ".join(part for part in (state.get("reason"), state.get("message")) if part)
    return f"{state.get('name')}  {', '.join(facts)}" + (f"  ({said})" if said else "")


def container_restarts(pod: Object) -> int:
    """Return how often the pod's containers were restarted."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return sum(int(one.get("restartCount") or 0) for one in statuses)
