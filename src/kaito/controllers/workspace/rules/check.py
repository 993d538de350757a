"""All rules, in the order in which their findings are told."""

import re
from collections.abc import Callable, Iterable

from kaito.api import Workspace
from kaito.controllers.workspace.rules.catalogue import Catalogue
from kaito.controllers.workspace.rules.effect import without_effect
from kaito.controllers.workspace.rules.finding import Finding
from kaito.controllers.workspace.rules.immutable import immutable
from kaito.controllers.workspace.rules.placeholders import placeholders
from kaito.controllers.workspace.rules.plan import plan_findings
from kaito.controllers.workspace.rules.selector import selector
from kaito.controllers.workspace.rules.sources import sources
from kaito.controllers.workspace.rules.structure import structure
from kaito.controllers.workspace.rules.unserved import unserved

SPEC_RULES: tuple[Callable[[Workspace], Iterable[Finding]], ...] = (
    structure,
    placeholders,
    unserved,
    selector,
    sources,
    without_effect,
)
"""Rules that need nothing but the Workspace."""

_INDEX = re.compile(r"\[\d+\]")


def spec_findings(workspace: Workspace) -> tuple[Finding, ...]:
    """Return what the Workspace's own words are enough to know."""
    return tuple(finding for rule in SPEC_RULES for finding in rule(workspace))


def findings(workspace: Workspace, catalogue: Catalogue) -> tuple[Finding, ...]:
    """Return everything that is to be said about a Workspace."""
    return (*spec_findings(workspace), *plan_findings(workspace, catalogue)[1])


def new_findings(workspace: Workspace, before: Workspace, catalogue: Catalogue) -> tuple[Finding, ...]:
    """Return what an edit changed that is immutable, and what it made wrong.

    What was wrong before is no reason to refuse another field.

    A Workspace that is being deleted is never held by its own faults.
    """
    if workspace.metadata.deletion_timestamp is not None:
        return ()
    known = {_told(finding) for finding in findings(before, catalogue)}
    brought = (finding for finding in findings(workspace, catalogue) if _told(finding) not in known)
    return (*immutable(workspace, before), *brought)


def _told(finding: Finding) -> tuple[str, str, str]:
    """Return what two findings share that are the same fault, though an item of the list moved."""
    return finding.reason, _INDEX.sub("[]", finding.field), _INDEX.sub("[]", finding.message)
