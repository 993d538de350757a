"""The node's range of pod addresses on this machine: made local when the node starts, given back when it goes."""

import contextlib
import ipaddress

from kaito.core.errors import KaitoError
from kaito.local.loopback import add_address, remove_address


def is_local(cidr: str) -> bool:
    """Return whether every address of the range belongs to this machine anyway."""
    return ipaddress.ip_network(cidr).is_loopback


def make_local(cidr: str) -> None:
    """Let this machine answer for every address of `cidr`. Safe to run again. KaitoError when we may not."""
    if is_local(cidr):
        return
    try:
        add_address(_first_of(cidr))
    except OSError as error:
        raise KaitoError(
            "PodAddressesRefused",
            f"The pod addresses {cidr} cannot be put on the loopback device: {error.strerror}.",
            terminal=True,
            remedy="Run kaito-node as root, or use a range of 127.0.0.0/8 with --pod-cidr.",
        ) from None


def give_back(cidr: str) -> None:
    """Undo `make_local`. A range that is not there, or that we may not take away, is left as it is."""
    if not is_local(cidr):
        with contextlib.suppress(OSError):
            remove_address(_first_of(cidr))


def _first_of(cidr: str) -> str:
    network = ipaddress.ip_network(cidr)
    return f"{network[1]}/{network.prefixlen}"
