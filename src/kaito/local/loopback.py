"""Addresses on the loopback device, put there and taken away as `ip address add|delete ADDRESS/PREFIX dev lo` does it.

Through netlink: it needs neither a package nor the `ip` program. An address covers its whole prefix: the machine
answers for every address of it.
"""

import ipaddress
import os
import socket
import struct

RTM_NEWADDR, RTM_DELADDR = 20, 21
NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_CREATE = 1, 4, 0x100, 0x400
IFA_ADDRESS, IFA_LOCAL = 1, 2
_HEADER = struct.Struct("=IHHII")


def add_address(address: str) -> None:
    """Put `address/prefix` on the loopback device; again is harmless. OSError when that is not allowed."""
    _ask(RTM_NEWADDR, address)


def remove_address(address: str) -> None:
    """Take `address/prefix` away again. OSError when it is not there, or that is not allowed."""
    _ask(RTM_DELADDR, address)


def address_request(message: int, address: str, interface: int) -> bytes:
    """Return the netlink message that adds `address/prefix` to an interface, or deletes it."""
    given = ipaddress.ip_interface(address)
    packed = given.packed
    family = socket.AF_INET if given.version == 4 else socket.AF_INET6
    body = struct.pack("=BBBBI", family, given.network.prefixlen, 0, 0, interface)
    for kind in (IFA_LOCAL, IFA_ADDRESS):
        body += struct.pack("=HH", 4 + len(packed), kind) + packed
    flags = NLM_F_REQUEST | NLM_F_ACK
    if message == RTM_NEWADDR:
        flags |= NLM_F_CREATE | NLM_F_REPLACE
    return _HEADER.pack(_HEADER.size + len(body), message, flags, 1, 0) + body


def _ask(message: int, address: str) -> None:
    """Send a request and read the kernel's answer; raise its errno."""
    request = address_request(message, address, socket.if_nametoindex("lo"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as connection:
        connection.settimeout(5)
        connection.send(request)
        answer = connection.recv(4096)
    error: int = -struct.unpack_from("=i", answer, _HEADER.size)[0]
    if error:
        raise OSError(error, os.strerror(error))
