"""Making a range of addresses local and giving it back: netlink, as `ip address add|delete RANGE dev lo` sends it."""

import ipaddress
import os
import socket
import struct

from kaito.core.errors import KaitoError

RTM_NEWADDR, RTM_DELADDR = 20, 21
NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_CREATE = 1, 4, 0x100, 0x400
IFA_ADDRESS, IFA_LOCAL = 1, 2
_HEADER = struct.Struct("=IHHII")


def is_local(cidr: str) -> bool:
    """Return whether every address of the range belongs to this machine anyway."""
    return ipaddress.ip_network(cidr).is_loopback


def address_request(message: int, address: str, prefix: int, interface: int) -> bytes:
    """Return the netlink message that adds `address/prefix` to an interface, or deletes it."""
    packed = ipaddress.ip_address(address).packed
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    body = struct.pack("=BBBBI", family, prefix, 0, 0, interface)
    for kind in (IFA_LOCAL, IFA_ADDRESS):
        body += struct.pack("=HH", 4 + len(packed), kind) + packed
    flags = NLM_F_REQUEST | NLM_F_ACK
    if message == RTM_NEWADDR:
        flags |= NLM_F_CREATE | NLM_F_REPLACE
    return _HEADER.pack(_HEADER.size + len(body), message, flags, 1, 0) + body


def make_local(cidr: str) -> None:
    """Let this machine answer for every address of `cidr`: an address on the loopback device covers its whole prefix.

    Safe to run again. Raises KaitoError when we may not.
    """
    error = _ask(RTM_NEWADDR, cidr)
    if error:
        raise KaitoError(
            "PodAddressesRefused",
            f"The pod addresses {cidr} cannot be put on the loopback device: {os.strerror(error)}.",
            terminal=True,
            remedy="Run kaito-node as root, or use a range of 127.0.0.0/8 with --pod-cidr.",
        )


def give_back(cidr: str) -> None:
    """Undo `make_local`. A range that is not there, or that we may not take away, is left as it is."""
    _ask(RTM_DELADDR, cidr)


def _ask(message: int, cidr: str) -> int:
    """Send a request about the first address of `cidr` on the loopback device; return its errno, 0 for done."""
    if is_local(cidr):
        return 0
    network = ipaddress.ip_network(cidr)
    request = address_request(message, str(network[1]), network.prefixlen, socket.if_nametoindex("lo"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as connection:
        connection.settimeout(5)
        connection.send(request)
        answer = connection.recv(4096)
    error: int = struct.unpack_from("=i", answer, _HEADER.size)[0]
    return -error
