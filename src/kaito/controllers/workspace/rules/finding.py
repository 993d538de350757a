"""One thing that is wrong with a Workspace, or that its author should know."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """`field` is its JSON path, `message` a whole sentence, `remedy` what to do about it.

    Admission refuses a Workspace with a `refused` finding, and answers a `warned` one with a warning. A Workspace that
    is there all the same, because no webhook ran or because it was only warned about, ends with the reason of its
    first `terminal` finding before anything is bought; one that is not terminal is only good to know.
    """

    reason: str
    field: str
    message: str
    remedy: str
    admission: Literal["refused", "warned"] = "refused"
    terminal: bool = True

    @property
    def refused(self) -> bool:
        """Whether admission says no because of it."""
        return self.admission == "refused"

    @property
    def text(self) -> str:
        """The message, ending with the remedy."""
        return f"{self.message} {self.remedy}" if self.remedy else self.message
