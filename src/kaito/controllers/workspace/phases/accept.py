"""Accept: the spec is one that can be served, as far as the API server could not check it."""

import re
from collections.abc import Iterator
from typing import Any

from kaito.api import WORKSPACE_FINALIZER, InferenceSpec
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Failure, SetFinalizers, Step

PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*_HERE")
"""What the examples have where the reader fills in their own: `ACR_REPO_HERE`, `IMAGE_NAME_HERE`, …"""


def accept(snapshot: Snapshot) -> Step:
    """Hold the Workspace by our finalizer, unless it can never be served; then nothing was made that needs one."""
    failure = (
        _placeholders(snapshot.workspace.spec()) or _unserved(snapshot) or _adapters(snapshot) or _selector(snapshot)
    )
    if failure is not None:
        return Step(outcome=failure)
    finalizers = snapshot.workspace.metadata.finalizers
    if WORKSPACE_FINALIZER in finalizers:
        return Step()
    return Step(actions=(SetFinalizers((*finalizers, WORKSPACE_FINALIZER)),))


def _placeholders(spec: dict[str, Any]) -> Failure | None:
    words = {path: PLACEHOLDER.findall(text) for path, text in strings(spec)}
    found = [f"{path} ({', '.join(left)})" for path, left in words.items() if left]
    if not found:
        return None
    return Failure(
        Reason.PLACEHOLDERS_LEFT,
        f"The manifest still has placeholders of the example: {', '.join(found)}.",
        remedy="Replace them with your own values and apply it again; nothing was bought.",
        terminal=True,
    )


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in a JSON value with its field path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings(item, f"{path}[{index}]")


def _unserved(snapshot: Snapshot) -> Failure | None:
    """Name what this release accepts but does not do, so that nobody waits for it."""
    workspace = snapshot.workspace
    if workspace.tuning is not None:
        return _not_supported(Reason.TUNING_NOT_SUPPORTED, "tuning", "does not run tuning jobs")
    if workspace.inference is not None and workspace.inference.template is not None:
        return _not_supported(Reason.TEMPLATE_NOT_SUPPORTED, "inference.template", "serves presets only")
    if workspace.resource.partition is not None:
        return _not_supported(Reason.PARTITION_NOT_SUPPORTED, "resource.partition", "takes whole machines only")
    return None


def _adapters(snapshot: Snapshot) -> Failure | None:
    inference = snapshot.workspace.inference or InferenceSpec()
    for index, adapter in enumerate(inference.adapters):
        if adapter.source.volume_source is None:
            field = f"inference.adapters[{index}].source"
            how = "takes adapters from volumes only (volumeSource)"
            return _not_supported(Reason.ADAPTER_SOURCE_NOT_SUPPORTED, field, how)
        if adapter.strength is not None and float(adapter.strength) != 1:
            field = f"inference.adapters[{index}].strength"
            return _not_supported(Reason.ADAPTER_SOURCE_NOT_SUPPORTED, field, "serves adapters at full strength only")
    return None


def _selector(snapshot: Snapshot) -> Failure | None:
    if not snapshot.workspace.resource.label_selector.match_expressions:
        return None
    return Failure(
        Reason.SELECTOR_NOT_SUPPORTED,
        "resource.labelSelector.matchExpressions says no label that a new node could be given.",
        remedy="Use matchLabels.",
        terminal=True,
    )


def _not_supported(reason: Reason, field: str, how: str) -> Failure:
    return Failure(
        reason,
        f"{field} is set, and this release of kaito {how}.",
        remedy="Nothing was bought and nothing will be; delete the Workspace, or remove the field.",
        terminal=True,
    )
