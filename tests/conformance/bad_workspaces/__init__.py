"""Workspaces that must be refused: by any API server, by its schema and rules, or by the admission webhook too.

Every row names the field, and what the answer says about it. The tables are data; the tests of the rules and those that
ask API servers read the same ones.
"""

from bad_workspaces.edits import EDITS
from bad_workspaces.judged import JUDGED
from bad_workspaces.limits import LIMITS
from bad_workspaces.row import REMOVED, Bad, BadEdit, Judged, edited
from bad_workspaces.structure import STRUCTURE

__all__ = ["EDITS", "JUDGED", "LIMITS", "REMOVED", "STRUCTURE", "Bad", "BadEdit", "Judged", "edited"]
