"""An adapter's files out of the layers of an image, the topmost first: what is below them is never fetched.

Source: OCI image specification 1.1, image layer filesystem changeset (whiteouts).
"""

from dataclasses import dataclass, field
from pathlib import Path

from kaito.runtime.adapters.sources.limits import Limits
from kaito.runtime.adapters.sources.oci.manifest import Layer
from kaito.runtime.adapters.sources.unpacking import (
    WANTED,
    Room,
    check_regular,
    parts,
    tar_entries,
    unfolded,
)

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass
class Search:
    """Which files are found already, and which are known not to be below: an upper layer removed them."""

    room: Room
    limits: Limits
    found: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    """Other names beside them, for the message when one is missing."""

    @property
    def done(self) -> bool:
        """Whether no lower layer can hold anything of interest."""
        return self.found | self.gone >= set(WANTED)

    def look_into(self, layer: Layer, path: Path, what: str) -> None:
        """Take what is wanted out of a downloaded layer. Raises AdapterError.

        Whiteouts speak of the layers below only, wherever they stand in their own.
        """
        if layer.file:
            if layer.file not in self.found | self.gone:
                self.room.move(layer.file, path)
                self.found.add(layer.file)
            return
        hidden = set(self.found | self.gone)
        folder = parts(layer.folder, what)
        with unfolded(path, self.limits, what) as stream:
            for entry in tar_entries(stream, self.limits, what):
                where = parts(entry.name, what)
                if where[: len(folder)] == folder and len(where) == len(folder) + 1 and where[-1] in WANTED:
                    if where[-1] in hidden:
                        continue
                    check_regular(entry, what)
                    self._again(where[-1])
                    self.room.write(where[-1], stream.copy(entry.size))
                    self.found.add(where[-1])
                else:
                    self._note(where, folder, entry.isdir())

    def _again(self, name: str) -> None:
        """Forget a file that the same layer has given before: of two, engines keep the later one."""
        if name in self.found:
            (self.room.folder / name).unlink()

    def _note(self, where: tuple[str, ...], folder: tuple[str, ...], directory: bool) -> None:
        """Remember what hides a lower file, and what stands beside the wanted ones."""
        if not where:
            return
        parent, name = where[:-1], where[-1]
        above = folder[: len(parent)] == parent  # the folder itself, or one that it is in
        if name == _OPAQUE and above:
            self.gone.update(WANTED)
        elif name.startswith(_WHITEOUT) and above:
            hides = name.removeprefix(_WHITEOUT)
            if parent == folder:
                self.gone.add(hides)
            elif folder[len(parent)] == hides:
                self.gone.update(WANTED)
        elif where == folder and not directory:
            self.gone.update(WANTED)  # a link or a file took the folder's place
        elif parent == folder and len(self.seen) < 20:
            self.seen.append(name)
