"""Which addresses the service proxy listens on and where each leads. Pure."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kaito.core import Object


@dataclass(frozen=True, order=True)
class Address:
    """An IPv4 address and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Table = dict[Address, tuple[Address, ...]]
"""Where each listening address leads; an address without a ready endpoint is not in it, so it refuses connections."""


def table(service: Object, slices: Sequence[Object], nodes: Collection[str] | None = None) -> Table:
    """Return the forwarding table of one Service.

    `nodes`: only endpoints on these nodes count (None: all). A cluster of others has its own proxy for theirs.
    """
    spec = service.get("spec") or {}
    cluster_ip = spec.get("clusterIP") or ""
    if cluster_ip in ("", "None") or spec.get("type") == "ExternalName":
        return {}
    result: Table = {}
    for port in spec.get("ports") or ():
        if (port.get("protocol") or "TCP") != "TCP":
            continue
        leads_to = tuple(sorted({one for part in slices for one in _ready(part, port.get("name") or "", nodes)}))
        if leads_to:
            result[Address(cluster_ip, int(port["port"]))] = leads_to
    return result


def is_loopback(address: str) -> bool:
    """Whether the address needs no interface of its own on Linux: all of 127.0.0.0/8 is there."""
    return ipaddress.ip_address(address).is_loopback


def _ready(part: Object, name: str, nodes: Collection[str] | None) -> list[Address]:
    port = next((one for one in part.get("ports") or () if (one.get("name") or "") == name), None)
    if port is None or port.get("port") is None:
        return []
    return [
        Address(host, int(port["port"]))
        for endpoint in part.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        and (nodes is None or endpoint.get("nodeName") in nodes)
        for host in endpoint.get("addresses") or ()
    ]
