"""The file that says a weights folder holds a stand-in, and that it is whole. It is written last."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from kaito.contracts import STAND_IN_MARKER

RECIPE_VERSION = 2
"""Raised when the way a stand-in is made changes; a stand-in of another version is made anew."""


@dataclass(frozen=True)
class Recipe:
    """What a stand-in was made from. Equal recipes make equal weights on one kind of machine."""

    preset: str
    architecture: str
    text_digest: str
    version: int = RECIPE_VERSION

    @classmethod
    def of(cls, preset: str, architecture: str, text: str) -> "Recipe":
        """Return the recipe for a preset and the text it learns."""
        return cls(preset, architecture, hashlib.sha256(text.encode()).hexdigest())


def finished(folder: Path, recipe: Recipe) -> bool:
    """Say whether the folder holds the finished stand-in of this recipe, each file at its recorded size."""
    try:
        marker = json.loads((folder / STAND_IN_MARKER).read_bytes())
        sizes: Mapping[str, int] = marker["files"]
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return whole and marker.get("recipe") == asdict(recipe)


def marker_text(recipe: Recipe, files: Mapping[str, bytes]) -> str:
    """Return the marker for these files: the recipe, each file's size, and one digest over names and contents."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    content = {
        "kind": "stand-in",
        "preset": recipe.preset,
        "recipe": asdict(recipe),
        "digest": f"sha256:{digest.hexdigest()}",
        "files": {name: len(files[name]) for name in sorted(files)},
    }
    return json.dumps(content, indent=2) + "\n"
