"""What is wrong with a Workspace: one set of rules for the admission webhook and for the controller. Pure.

The webhook refuses or warns by it when a Workspace is written; the controller buys nothing for one that it cannot
serve, whoever admitted it. What schema and CEL know stands in `kaito.api.spec`, and holds without either.
"""

from kaito.controllers.workspace.rules.catalogue import Catalogue
from kaito.controllers.workspace.rules.check import findings, new_findings, spec_findings
from kaito.controllers.workspace.rules.finding import Finding
from kaito.controllers.workspace.rules.plan import plan_findings

__all__ = ["Catalogue", "Finding", "findings", "new_findings", "plan_findings", "spec_findings"]
