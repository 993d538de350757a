"""Cluster addresses of Services: which are free, and which one a Service gets."""

import hashlib
import ipaddress
from collections.abc import Iterable

from kaito.core.objects import Key

_RESERVED = 1
"""The first address of the range belongs to the Service `kubernetes`."""


class AddressesExhausted(Exception):  # noqa: N818 - says what happened
    """Every address of the range is taken."""


class ServiceAddresses:
    """The addresses of one IPv4 range. An address follows from the name, so a Service made anew finds its old one."""

    def __init__(self, cidr: str, taken: Iterable[str] = ()) -> None:
        self.network = ipaddress.IPv4Network(cidr)
        self._taken = set(taken)
        self._size = self.network.num_addresses - 2 - _RESERVED
        if self._size < 1:
            raise ValueError(f"the service range {cidr} holds no addresses")

    @property
    def first(self) -> str:
        """Address of the Service `kubernetes`."""
        return str(self.network.network_address + _RESERVED)

    def allocate(self, key: Key) -> str:
        """Take a free address for a Service: the one its name hashes to, or the next free one."""
        start = int.from_bytes(hashlib.sha256(f"{key.namespace}/{key.name}".encode()).digest()[:8], "big")
        for offset in range(self._size):
            address = str(self.network.network_address + _RESERVED + 1 + (start + offset) % self._size)
            if address not in self._taken:
                self._taken.add(address)
                return address
        raise AddressesExhausted(f"range is full: {self.network}")

    def claim(self, address: str) -> str:
        """Take a given address; returns why it cannot be had, or nothing."""
        try:
            inside = ipaddress.IPv4Address(address) in self.network
        except ValueError:
            return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        if not inside:
            return (
                f"failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. "
                f"The range of valid IPs is {self.network}"
            )
        if address in self._taken:
            return f"failed to allocate IP {address}: provided IP is already allocated"
        self._taken.add(address)
        return ""

    def release(self, address: str) -> None:
        """Give an address back."""
        self._taken.discard(address)
