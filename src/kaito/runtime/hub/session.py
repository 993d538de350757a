"""What the library's HTTP session lacks (release 2.4): an end to waiting, and resumption after a reset.

It lists a repository's files without a time-out. It goes on after RemoteProtocolError, but takes a ReadError for the
end of the download and removes what has come (its pull request 4351 added the first of the two).
"""

from collections.abc import Iterator

import httpx2
from huggingface_hub.utils import get_session

ANSWER_SECONDS = 30.0
"""Longest silence of a hub that has been asked something."""


def prepare_session() -> None:
    """Prepare the session that the library uses now; it may make itself a new one."""
    session = get_session()
    hooks = session.event_hooks
    before = [hook for hook in hooks["request"] if hook is not _end_waiting]
    session.event_hooks = {"request": [*before, _end_waiting], "response": [_watch]}


def _end_waiting(request: httpx2.Request) -> None:
    limits = request.extensions.get("timeout") or {}
    request.extensions["timeout"] = {
        name: limits.get(name) or ANSWER_SECONDS for name in ("connect", "read", "write", "pool")
    }


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
