"""What schema and CEL know: refused with 422 by every API server, no webhook needed."""

from typing import Final

from bad_workspaces.models import ADAPTER_ROWS, PRESETS, TEMPLATES, TUNINGS
from bad_workspaces.nodes import CHOICES, NAMES, RESOURCES, SELECTORS
from bad_workspaces.row import Bad
from bad_workspaces.volumes import VOLUMES

ROWS: Final = (
    *NAMES,
    *CHOICES,
    *RESOURCES,
    *SELECTORS,
    *PRESETS,
    *ADAPTER_ROWS,
    *VOLUMES,
    *TEMPLATES,
    *TUNINGS,
)

STRUCTURE: Final[dict[str, Bad]] = {row.case: row for row in ROWS}
assert len(STRUCTURE) == len(ROWS), "two rows have one name"
