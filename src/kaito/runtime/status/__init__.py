"""What a server says of itself: stages, weights, adapters, failure."""

from kaito.runtime.status.board import StatusBoard
from kaito.runtime.status.stage import ServerState

__all__ = ["ServerState", "StatusBoard"]
