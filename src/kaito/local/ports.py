"""TCP ports of 127.0.0.1 for servers that listen a moment later, and again after each crash.

They are never taken from the kernel's range for outgoing connections: whatever connects between the moment that a port
was found free and the moment that it is listened on may be given just that one.
"""

import random
import socket
from collections.abc import Container
from functools import cache
from itertools import islice
from pathlib import Path

from kaito.core.errors import KaitoError

RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10000
"""Well-known servers of a Kubernetes node and its neighbours mostly listen below it."""
HIGHEST = 65535


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def stays_free(port: int) -> bool:
    """Whether a server could listen on this port, and only another server could take it."""
    return is_free(port) and port not in outgoing()


@cache
def outgoing(path: Path = RANGE_FILE) -> range:
    """Return the ports that the kernel gives to outgoing connections; Linux's default ones where it does not say."""
    try:
        low, high = path.read_text().split()
        return range(int(low), int(high) + 1)
    except (OSError, ValueError):
        return range(32768, 61000)


def free_ports(count: int, *, but: Container[int] | None = None, chance: random.Random | None = None) -> list[int]:
    """Return `count` different ports that nothing listens on, none of them in `but`: by default `outgoing()`.

    The search begins anywhere, so that two that search at once find different ones. KaitoError (NoFreePort) when there
    are fewer.
    """
    but = outgoing() if but is None else but
    ports = [port for port in range(LOWEST, HIGHEST + 1) if port not in but]
    first = (chance or random.SystemRandom()).randrange(len(ports)) if ports else 0
    found = list(islice(filter(is_free, ports[first:] + ports[:first]), count))
    if len(found) < count:
        raise KaitoError(
            "NoFreePort",
            f"{count} TCP ports are needed on 127.0.0.1: of {LOWEST} to {HIGHEST}, without those of outgoing "
            f"connections, {len(found)} are free.",
            terminal=True,
            remedy="Narrow net.ipv4.ip_local_port_range, or end what listens on them.",
        )
    return found


def free_port() -> int:
    """Return one of `free_ports`."""
    return free_ports(1)[0]
