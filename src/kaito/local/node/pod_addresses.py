"""Pod addresses: one per pod out of the node's range, kept over restarts."""

import ipaddress
from collections.abc import Iterable

from kaito.core.errors import KaitoError


class PodAddresses:
    """Hands out the addresses of a range. The first one is the node's own."""

    def __init__(self, cidr: str) -> None:
        self.network = ipaddress.ip_network(cidr)
        if self.network.num_addresses < 4:
            raise ValueError(f"pod CIDR {cidr} has no room for pods; use at least a /30")
        self._hosts = self.network.num_addresses - 2
        self._taken: dict[str, str] = {}
        self._next = 2

    @property
    def node(self) -> str:
        """The node's own address."""
        return str(self.network[1])

    def restore(self, taken: Iterable[tuple[str, str]]) -> None:
        """Take note of (pod uid, address) pairs of before; addresses of another range are ignored."""
        for uid, address in taken:
            if ipaddress.ip_address(address) in self.network:
                self._taken[uid] = address

    def of(self, uid: str) -> str:
        """Return a pod's address, a new one the first time. KaitoError FailedCreatePodSandBox: none is left."""
        if uid in self._taken:
            return self._taken[uid]
        used = set(self._taken.values())
        for step in range(self._hosts - 1):
            # Not the lowest free one: a client that remembers a dead pod should not meet its successor.
            number = 2 + (self._next - 2 + step) % (self._hosts - 1)
            address = str(self.network[number])
            if address not in used:
                self._next = number + 1
                self._taken[uid] = address
                return address
        raise KaitoError(
            "FailedCreatePodSandBox",
            f"All {self._hosts - 1} pod addresses of {self.network} are in use.",
            remedy="Delete pods, or start kaito-node with a larger --pod-cidr.",
        )

    def release(self, uid: str) -> None:
        """Give a pod's address back."""
        self._taken.pop(uid, None)
