"""Which objects of a kind are cached."""

from dataclasses import dataclass

from kaito.core.selectors import Selector, parse_selector


@dataclass(frozen=True)
class Selection:
    """One namespace or all (None), by label and field selectors in query form."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    @property
    def selector(self) -> Selector:
        """The label selector, parsed."""
        return parse_selector(self.labels)
