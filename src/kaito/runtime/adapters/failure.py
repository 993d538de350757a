"""Why one adapter is not served. It never ends the server: the base model and the other adapters go on."""

from kaito.contracts import AdapterReason


class AdapterError(Exception):
    """An adapter cannot be served. `passes` says that the same may work later, so that it is tried again."""

    def __init__(self, reason: AdapterReason, message: str, *, passes: bool = False) -> None:
        super().__init__(message)
        self.reason: AdapterReason = reason
        self.message = message
        self.passes = passes
