"""What the examples have where the reader fills in their own."""

import re
from collections.abc import Iterator
from typing import Any

from kaito.api import Workspace
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding

PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*_HERE")
"""`ACR_REPO_HERE`, `IMAGE_NAME_HERE`, …"""


def placeholders(workspace: Workspace) -> Iterator[Finding]:
    """Find the fields that still have one. The examples apply as they are, with a warning."""
    for path, text in strings(workspace.spec()):
        if left := PLACEHOLDER.findall(text):
            yield Finding(
                Reason.PLACEHOLDERS_LEFT,
                path,
                f"Placeholders of the example are left in {path} ({', '.join(left)}).",
                "Replace them with your own values and apply it again; nothing was bought.",
                admission="warned",
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
