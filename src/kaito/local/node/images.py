"""Images without a container engine: each known image stands for a program of this machine."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kaito.core.errors import KaitoError

OWN_PROGRAMS = str(Path(sys.executable).parent)
"""Folder of our own programs: beside the interpreter that runs this process."""

KNOWN: Mapping[str, tuple[str, ...]] = {
    "kaito-runtime": ("kaito-runtime",),
    "curlimages/curl": ("curl",),
    "curl": ("curl",),
    "busybox": ("sh",),
    "alpine": ("sh",),
    "bash": ("bash",),
    "debian": ("sh",),
    "ubuntu": ("sh",),
    "python": (sys.executable,),
    "pause": ("sleep", "infinity"),
}
"""Repository, or its last part -> entrypoint on this machine."""
FIXED = frozenset(["kaito-runtime", "pause"])
"""Those of them whose entrypoint takes whatever arguments there are."""


@dataclass(frozen=True)
class Program:
    """What an image stands for. `own` images get our own programs first on their PATH.

    With `gives_way`, arguments whose first is a program themselves say what runs. So it is with the everyday images:
    they have a command (replaced by arguments) and no entrypoint, or an entrypoint that looks for this itself. Source:
    the Dockerfiles of busybox, debian and python, the entrypoint.sh of curlimages/curl.
    """

    entrypoint: tuple[str, ...]
    own: bool
    gives_way: bool


@dataclass(frozen=True)
class Images:
    """The mapping: the known ones, and those that `--image NAME=PROGRAM` adds or replaces."""

    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def program(self, image: str) -> Program:
        """Return what an image stands for; raises KaitoError ErrImagePull, which names the known ones."""
        names = _names(image)
        for table in (self.extra, KNOWN):
            for name in names:
                if name in table:
                    gives_way = table is KNOWN and name not in FIXED
                    return Program(table[name], own=name == "kaito-runtime", gives_way=gives_way)
        known = ", ".join(sorted({*KNOWN, *self.extra}))
        raise KaitoError(
            "ErrImagePull",
            f"This node runs containers as processes and knows no program for image {image!r}; it knows: {known}.",
            remedy=f"Start kaito-node with --image {names[0]}=PROGRAM to map it.",
        )


def _names(image: str) -> list[str]:
    """Return the names an image may be known by: with registry, without, and the last part."""
    repository = image.partition("@")[0]
    head, slash, last = repository.rpartition("/")
    repository = head + slash + last.partition(":")[0]
    parts = repository.split("/")
    return ["/".join(parts[index:]) for index in range(len(parts))]


def resolve(argv: list[str], path: str, cwd: str | None) -> str | None:
    """Return the file that `argv` would execute with this PATH, None when there is none."""
    name = argv[0]
    if "/" in name:
        candidate = Path(cwd or "/") / name
        return str(candidate) if candidate.is_file() and os.access(candidate, os.X_OK) else None
    return shutil.which(name, path=path)
