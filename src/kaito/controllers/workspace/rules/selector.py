"""The labels that nodes get."""

from collections.abc import Iterator

from kaito.api import Workspace
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding


def selector(workspace: Workspace) -> Iterator[Finding]:
    """Find what no new node could be labelled with."""
    if workspace.resource.label_selector.match_expressions:
        yield Finding(
            Reason.SELECTOR_NOT_SUPPORTED,
            "resource.labelSelector.matchExpressions",
            "resource.labelSelector.matchExpressions says no label that a new node could be given.",
            "Use matchLabels.",
        )
