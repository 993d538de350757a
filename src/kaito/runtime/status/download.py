"""How fast a download is, in upstream's terms."""

from collections import deque

SAMPLE_SECONDS = 2.0
SAMPLES = 5
"""Upstream's: a sample each two seconds, the last five count."""

UNKNOWN = -1.0


class DownloadPace:
    """Speed in bytes per second and seconds that remain, from what was there at the last few looks."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES)

    def look(self, now: float, loaded: int) -> None:
        """Note how many bytes are there at `now` (seconds). Looks that are too close to each other are left out."""
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, loaded))

    def speed(self) -> float:
        """Return bytes per second; 0 while unknown."""
        if len(self._samples) < 2:
            return 0.0
        (begun, before), (ended, after) = self._samples[0], self._samples[-1]
        return max(0.0, (after - before) / (ended - begun))

    def remaining(self, loaded: int, total: int) -> float:
        """Return the seconds that remain, -1 while unknown, 0 when all is there."""
        if 0 < total <= loaded:
            return 0.0
        return (total - loaded) / self.speed() if total and self.speed() else UNKNOWN
