"""Has the library go on after a connection that was reset, as it does after one that was closed.

It resumes after RemoteProtocolError, but takes a ReadError for the end of the download and removes what has come
(release 2.4; its own list of what to resume after has grown by and by, see its pull request 4351).
"""

from collections.abc import Iterator

import httpx2
from huggingface_hub.utils import get_session


def resume_after_resets() -> None:
    """Prepare the session that the library uses now; it may make itself a new one."""
    session = get_session()
    session.event_hooks = {**session.event_hooks, "response": [_watch]}


def _watch(response: httpx2.Response) -> None:
    response.stream = _Closed(response.stream)


class _Closed(httpx2.SyncByteStream):  # type: ignore[misc]
    """A stream whose resets read as closed connections."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except httpx2.ReadError as error:
            raise httpx2.RemoteProtocolError(str(error)) from error

    def close(self) -> None:
        self._stream.close()
