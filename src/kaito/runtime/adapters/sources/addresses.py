"""Which addresses may be asked: a URL that a user wrote must not reach what only the server can.

A name is resolved once; the connection goes to the addresses that were looked at. Written addresses in odd forms of
digits and dots (127.1, 2130706433) are refused with their URL, since an HTTP client may take them past the resolver;
those with letters (0x7f000001) reach it as names and are judged by what they stand for.
"""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from kaito.contracts import ADAPTER_PRIVATE_SOURCES_FLAG
from kaito.runtime.adapters.failure import AdapterError

_METADATA = frozenset(
    {
        IPv4Address("168.63.129.16"),  # Azure's wire server: a public address that only machines of Azure reach
        IPv4Address("100.100.100.200"),
        IPv4Address("192.0.0.192"),
        IPv6Address("fd00:ec2::254"),
    }
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def check_address(host: str, address: str, *, private: bool) -> None:
    """Raise AdapterError unless `address`, of `host`, may be asked.

    `private`: loopback and private networks may be, too. Link-local addresses never are: there the cloud keeps what
    identifies the machine.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if all(_allowed(each, private=private) for each in (found, *_embedded(found))):
        return
    where = host if host == address else f"{host} ({address})"
    remedy = "" if private else f" Start the server with {ADAPTER_PRIVATE_SOURCES_FLAG} to allow private networks."
    raise AdapterError("SourceNotAllowed", f"{where} is no public address, and is not asked.{remedy}")


def _allowed(address: IPv4Address | IPv6Address, *, private: bool) -> bool:
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    return private or address.is_global


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 one leads to: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(address.packed[-4:]))
    return [each for each in found if each is not None]


class CheckedResolver(AbstractResolver):
    """Resolves a name as usual, and refuses it when one of its addresses may not be asked."""

    def __init__(self, *, private: bool, resolver: AbstractResolver | None = None) -> None:
        self._private = private
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`. Raises OSError, and AdapterError for one that may not be asked."""
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            check_address(host, each["host"], private=self._private)
        return found

    async def close(self) -> None:
        """Release what the resolver holds."""
        await self._resolver.close()
