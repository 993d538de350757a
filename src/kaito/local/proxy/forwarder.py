"""One listening address that leads to the endpoints of a Service port."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence

from kaito.core.logs import get_logger
from kaito.local.proxy.table import Address

_log = get_logger()

CONNECT_SECONDS = 5.0
"""How long an endpoint may take to accept before the next is tried."""
CHUNK = 64 * 1024


class Forwarder:
    """Accepts on one address and copies bytes to an endpoint and back, round robin.

    An endpoint that does not accept is passed over for the next one. Each direction ends by itself (half-close).
    Endpoints may change at any time: connections that stand are left alone, as kube-proxy does.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._endpoints: tuple[Address, ...] = ()
        self._next = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def lead_to(self, endpoints: Sequence[Address]) -> None:
        """Send new connections to these endpoints."""
        self._endpoints = tuple(endpoints)

    async def start(self) -> None:
        """Listen. OSError when the address or port may not be used."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address.host, self.address.port))
            listener.setblocking(False)
            self._server = await asyncio.start_server(self._accept, sock=listener, limit=CHUNK)
        except BaseException:
            listener.close()
            raise

    async def stop(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def order(self) -> tuple[Address, ...]:
        """Return the endpoints in the order in which the next connection tries them."""
        count = len(self._endpoints)
        if not count:
            return ()
        first = self._next % count
        self._next = first + 1
        return self._endpoints[first:] + self._endpoints[:first]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # start_server runs its callback as a task
            return
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            self._connections.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for endpoint in self.order():
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    back_reader, back_writer = await asyncio.open_connection(endpoint.host, endpoint.port, limit=CHUNK)
            except (OSError, TimeoutError) as error:
                _log.debug("endpoint does not accept", endpoint=str(endpoint), error=str(error))
                continue
            await _exchange(reader, writer, back_reader, back_writer)
            return
        _reset(writer)  # nothing accepts: the client must not take silence for an empty answer


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    back_reader: asyncio.StreamReader,
    back_writer: asyncio.StreamWriter,
) -> None:
    try:
        await asyncio.gather(_copy(reader, back_writer), _copy(back_reader, writer))
    except OSError:
        _reset(writer)
        _reset(back_writer)
    except asyncio.CancelledError:
        _reset(writer)
        _reset(back_writer)
        raise
    finally:
        for end in (writer, back_writer):
            end.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once with a TCP reset: what was sent is not to be taken for whole."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of the stream, then pass that end on."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
