"""Address ranges of clusters that share a machine: each has its own, or their pods would answer for one another.

A running supervisor claims its ranges by names of abstract unix sockets: the kernel keeps them as long as the process
lives, and per network namespace, which is just as far as the addresses reach.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack

import msgspec

from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory

SERVICE_CIDRS = tuple(f"127.{octet}.0.0/16" for octet in range(96, 112))
"""Service addresses of embedded clusters, the first free one: loopback, so that a forwarder can listen on each."""
POD_CIDRS = tuple(f"127.{octet}.0.0/16" for octet in range(244, 255))
"""Pod addresses of embedded clusters, the first free one."""
POD_CIDR_ON_REAL = "10.244.0.0/16"
"""Pod addresses on a real control plane, which refuses loopback addresses as endpoints."""


class Ranges(msgspec.Struct, frozen=True, rename="camel"):
    """Service and pod addresses of one cluster.

    They stay with its folder: its Services have their addresses already.
    """

    service_cidr: str = ""
    pod_cidr: str = ""


def choose(wanted: Ranges, kept: Ranges, is_free: Callable[[str], bool], *, embedded: bool) -> Ranges:
    """Return the ranges of a cluster: those asked for, else those it had, else the first free ones.

    KaitoError: NoFreeRange when every default is taken, InvalidRange for text that is no IPv4 network, RangeChanged
    when the cluster has other ones already, OtherCluster when they are those of an embedded or of a real API server.
    """
    _check_kept(wanted, kept, embedded=embedded)
    pods = POD_CIDRS if embedded else (POD_CIDR_ON_REAL,)
    chosen = Ranges(
        wanted.service_cidr or kept.service_cidr or (_first(SERVICE_CIDRS, is_free, "service") if embedded else ""),
        wanted.pod_cidr or kept.pod_cidr or _first(pods, is_free, "pod"),
    )
    for flag, cidr in (("--service-cidr", chosen.service_cidr), ("--pod-cidr", chosen.pod_cidr)):
        if cidr:
            _check(flag, cidr)
    return chosen


def read_ranges(paths: ClusterDirectory) -> Ranges:
    """Return the ranges that a folder's cluster had; empty ones when there was none."""
    try:
        return msgspec.json.decode(paths.ranges.read_bytes(), type=Ranges)
    except (OSError, msgspec.DecodeError):
        return Ranges()


def write_ranges(paths: ClusterDirectory, ranges: Ranges) -> None:
    """Keep the ranges with the folder."""
    paths.ranges.write_bytes(msgspec.json.encode(ranges))


def is_unclaimed(cidr: str) -> bool:
    """Whether no running cluster of this machine has the range."""
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(_name(cidr))
        except OSError:
            return False
    return True


def claim_ranges(ranges: Ranges) -> ExitStack:
    """Hold both ranges until the returned stack is closed. KaitoError (RangeInUse) when another cluster has one."""
    stack = ExitStack()
    try:
        for flag, cidr in (("--service-cidr", ranges.service_cidr), ("--pod-cidr", ranges.pod_cidr)):
            if not cidr:
                continue
            claim = stack.enter_context(socket.socket(socket.AF_UNIX))
            try:
                claim.bind(_name(cidr))
            except OSError as error:
                raise KaitoError(
                    "RangeInUse",
                    f"The addresses {cidr} belong to another kaito cluster that runs on this machine.",
                    terminal=True,
                    remedy=f"End it with its own `kaito down --dir …`, or choose others with {flag}.",
                ) from error
    except BaseException:
        stack.close()
        raise
    return stack


def _name(cidr: str) -> bytes:
    return b"\0kaito-addresses-" + cidr.encode()


def _first(cidrs: Iterable[str], is_free: Callable[[str], bool], what: str) -> str:
    found = next((cidr for cidr in cidrs if is_free(cidr)), None)
    if found is None:
        raise KaitoError(
            "NoFreeRange",
            f"Other kaito clusters on this machine have all {what} addresses.",
            terminal=True,
            remedy=f"End one with `kaito down --dir …`, or name a range with --{what}-cidr.",
        )
    return found


def _check_kept(wanted: Ranges, kept: Ranges, *, embedded: bool) -> None:
    """Refuse to bring a folder's cluster up with other addresses than its Services, pods and nodes have."""
    if kept.pod_cidr and embedded != bool(kept.service_cidr):
        found, asked = ("an embedded", "a real") if kept.service_cidr else ("a real", "an embedded")
        raise KaitoError(
            "OtherCluster",
            f"The directory holds the state of a cluster with {found} API server, not with {asked} one.",
            terminal=True,
            remedy="Name another with --dir, or forget that state with `kaito down --purge`.",
        )
    for flag, cidr, other in (
        ("--service-cidr", wanted.service_cidr, kept.service_cidr),
        ("--pod-cidr", wanted.pod_cidr, kept.pod_cidr),
    ):
        if cidr and other and cidr != other:
            raise KaitoError(
                "RangeChanged",
                f"The cluster in this directory has the addresses {other}, not {cidr}.",
                terminal=True,
                remedy=f"Leave {flag} out, name another --dir, or begin anew after `kaito down --purge`.",
            )


def _check(flag: str, cidr: str) -> None:
    try:
        ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise KaitoError(
            "InvalidRange", f"{flag} {cidr}: {error}.", terminal=True, remedy=f"For example {flag} 127.100.0.0/16."
        ) from error
