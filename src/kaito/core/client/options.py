"""What every write says about itself: who writes, whether it is only tried, and how strictly fields are judged."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from kaito.core.errors import KaitoError

FieldValidation = Literal["Strict", "Warn", "Ignore"]
"""What the server does about unknown and repeated fields; without a word of ours it warns."""


class WriteOptions(TypedDict, total=False):
    """Options of one write, or through `Client.with_options` of all writes; the word of a single write wins."""

    field_manager: str
    """Whose fields these are, in `metadata.managedFields`."""
    field_validation: FieldValidation
    dry_run: bool
    """Ask for the result and change nothing. A client that only tries cannot be told otherwise by a single write."""


@dataclass(frozen=True)
class WriteDefaults:
    """The options of a client's writes."""

    field_manager: str
    field_validation: FieldValidation | None = None
    dry_run: bool = False

    def with_options(self, options: WriteOptions) -> "WriteDefaults":
        """Return these, with `options` in their place where they say something."""
        if not options:
            return self
        return WriteDefaults(
            options.get("field_manager", self.field_manager),
            options.get("field_validation", self.field_validation),
            self.dry_run or options.get("dry_run", False),
        )

    def parameters(self) -> dict[str, str]:
        """Return the query of a create, update or patch."""
        parameters = {"fieldManager": self.field_manager} if self.field_manager else {}
        if self.field_validation:
            parameters["fieldValidation"] = self.field_validation
        if self.dry_run:
            parameters["dryRun"] = "All"
        return parameters

    def apply_parameters(self, *, force: bool) -> dict[str, str]:
        """Return the query of a server-side apply. Raises KaitoError FieldManagerMissing."""
        if not self.field_manager:
            raise KaitoError(
                "FieldManagerMissing",
                "a server-side apply does not say who owns the fields",
                terminal=True,
                remedy="Give the client, or the apply, a field_manager.",
            )
        return {**self.parameters(), "force": "true" if force else "false"}
