"""Listening sockets, opened before anything slow happens, so that a port in use is known in the first second."""

import errno
import socket

from kaito.runtime.failure import FatalError

BACKLOG = 2048
"""Connections that wait while the early answers hand the socket over to vLLM's server; uvicorn's own default."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host:port`; an empty host means all. Raises PortInUse and InvalidFlag."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        where = f"{host or 'all addresses'}, port {port}"
        if error.errno == errno.EADDRINUSE:
            raise FatalError(
                "PortInUse",
                f"Another process listens on {where}.",
                remedy=f"End it (`ss -ltnp 'sport = :{port}'` names it) or choose another port.",
            ) from None
        raise FatalError(
            "InvalidFlag",
            f"Cannot listen on {where}: {error.strerror}.",
            remedy="Give --host (or KAITO_BIND_HOST) an address of this machine and --port a port this user may open.",
        ) from None
    listener.setblocking(False)
    return listener
