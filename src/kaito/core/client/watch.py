"""One watch request: opened, read event by event, closed. Reconnecting is the reflector's."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
import orjson

from kaito.core.client.answers import read_status
from kaito.core.client.codec import RawEvent, read_event
from kaito.core.client.lines import LineSplitter
from kaito.core.client.transport import Parameters, Transport
from kaito.core.errors import ApiError, ConnectionLostError, api_error

T = TypeVar("T")

Batches = AsyncGenerator[list[RawEvent], None]
"""Events of a watch, those that arrived together at a time."""


@dataclass(frozen=True)
class WatchEvent(Generic[T]):
    """One change of a watched object: ADDED, MODIFIED or DELETED."""

    type: str
    object: T


@asynccontextmanager
async def open_watch(
    transport: Transport, path: str, params: Parameters, headers: Mapping[str, str]
) -> AsyncIterator[Batches]:
    """Open a watch; yields batches of the events that arrived together.

    Raises ApiError and ConnectionLostError; a line that is no event counts as a broken connection.
    """
    async with transport.stream(path, {**params, "watch": "true"}, headers) as chunks:
        yield _events(chunks, path)


async def _events(chunks: AsyncGenerator[bytes, None], path: str) -> Batches:
    splitter = LineSplitter()
    async for chunk in chunks:
        batch: list[RawEvent] = []
        for line in splitter.feed(chunk):
            try:
                batch.append(read_event(line))
            except msgspec.MsgspecError as error:
                if batch:
                    yield batch
                raise ConnectionLostError(f"WATCH {path}: a line is no event: {error}") from error
        if batch:
            yield batch
    if splitter.incomplete:
        raise ConnectionLostError(f"WATCH {path}: the stream ended within an event")


def error_of(event: RawEvent) -> ApiError:
    """Return the exception for an ERROR event."""
    try:
        status = orjson.loads(bytes(event.object))
    except orjson.JSONDecodeError:
        status = {}
    return api_error(read_status(status if isinstance(status, dict) else {}))
