"""The steps of a start, as the user sees them."""

from pathlib import Path
from typing import Literal, Protocol

import msgspec

StepState = Literal["started", "done", "failed"]


class Step(msgspec.Struct, frozen=True, rename="camel"):
    """One line of progress; `name` "" ends the start. A failed step carries what happened and the remedy."""

    name: str
    state: StepState
    seconds: float = 0.0
    message: str = ""


class StepReporter(Protocol):
    """Takes the steps as they happen."""

    def __call__(self, step: Step) -> None:
        """Report one step."""
        ...


class StepFile:
    """Steps as JSON lines: the supervisor writes them, `kaito up` reads along."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def clear(self) -> None:
        """Begin anew."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(b"")
        self._offset = 0

    def __call__(self, step: Step) -> None:
        """Append one step."""
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(step) + b"\n")

    def read(self) -> list[Step]:
        """Return the steps that were added since the last call; a line that is still being written waits."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [msgspec.json.decode(line, type=Step) for line in whole.splitlines()]
