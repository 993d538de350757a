"""Addresses of a cluster's own range on the loopback interface (Linux, as root).

Through ioctl: the one call needs neither a package nor the `ip` program.
"""

import fcntl
import socket
import struct

_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def interface_of(address: str) -> str:
    """Return the alias of `lo` that holds the address; its name (at most 15 characters) follows from the address."""
    return f"lo:k{int.from_bytes(socket.inet_aton(address), 'big'):x}"


def add_address(address: str) -> None:
    """Put `address`/32 on the loopback interface; again is harmless. OSError when that is not allowed."""
    name = interface_of(address).encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFADDR, _request(name, address))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _request(name, "255.255.255.255"))


def remove_address(address: str) -> None:
    """Take the address away again. OSError when it is not there, or that is not allowed."""
    request = struct.pack("16sh14x", interface_of(address).encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)


def _request(name: bytes, address: str) -> bytes:
    """Return a `struct ifreq` with a `sockaddr_in`."""
    return struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address))
