"""How a reflector lists and watches; the defaults are client-go's."""

from dataclasses import dataclass, field
from typing import Final

from kaito.core.cache.backoff import Backoff

SHORTEST_WATCH_SECONDS: Final = 300.0


@dataclass(frozen=True)
class ReflectorSettings:
    """How the objects of every cached kind are fetched. Times are in seconds.

    `streaming` gets the objects over the watch itself (`sendInitialEvents`) and lists only where the server cannot.
    `page_size` is that of paged lists. A watch asks for a random length between `watch_seconds` (300 at least) and its
    double. `backoff` spaces all that is tried again. An ERROR 500 of a watch leads to a new list, or, within
    `internal_error_seconds` of the first one in a row, to a new watch. `check_consistency` is for finding defects of
    servers: what was streamed is compared with a list of the same version, and every difference is logged as an error.
    """

    streaming: bool = True
    page_size: int = 500
    watch_seconds: float = SHORTEST_WATCH_SECONDS
    backoff: Backoff = field(default_factory=Backoff)
    internal_error_seconds: float = 0.0
    check_consistency: bool = False

    def draw_watch_seconds(self, chance: float) -> int:
        """Return how long a watch asks to last, `chance` being in [0, 1), so that watches do not end together."""
        return int(max(self.watch_seconds, SHORTEST_WATCH_SECONDS) * (1 + chance))
