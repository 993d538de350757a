"""Lines out of chunks. A watch event is one line of any length; aiohttp's own line reader has a limit."""


class LineSplitter:
    """Collects chunks and gives out complete lines, without their end."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk; return the lines that it completes, empty ones left out."""
        head, end, tail = chunk.rpartition(b"\n")
        if not end:
            if chunk:
                self._rest.append(chunk)
            return []
        complete = b"".join((*self._rest, head)) if self._rest else head
        self._rest = [tail] if tail else []
        return [line for line in complete.split(b"\n") if line.strip()]

    @property
    def incomplete(self) -> bool:
        """Whether a line has begun that has not ended."""
        return bool(self._rest)
