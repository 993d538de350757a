"""Where data and adapters come from: addresses that pods must not be sent to, and volumes that hold nothing."""

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from kaito.api import DataDestination, DataSource, InferenceSpec, Workspace
from kaito.api.volume import KINDS, OTHER_KINDS
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding

METADATA_HOSTS: Final = frozenset({"metadata.google.internal", "metadata.google", "instance-data.ec2.internal"})
"""Where clouds hand out a machine's credentials. Source: KAITO's webhook."""


def sources(workspace: Workspace) -> Iterator[Finding]:
    """Find what could only be read or written by mistake, or to reach what its author may not."""
    for index, adapter in enumerate((workspace.inference or InferenceSpec()).adapters):
        yield from _source(f"inference.adapters[{index}].source", adapter.source)
    if workspace.tuning is not None:
        yield from _source("tuning.input", workspace.tuning.input)
        yield from _volume("tuning.output", workspace.tuning.output)


def _source(path: str, source: DataSource) -> Iterator[Finding]:
    yield from _volume(path, source)
    for index, url in enumerate(source.urls or ()):
        if said := _unreachable(url):
            field = f"{path}.urls[{index}]"
            yield Finding(Reason.SOURCE_NOT_ALLOWED, field, f"{field} {said}.", "Use a public http or https URL.")


def _unreachable(url: str) -> str:
    """Return why this is no address to send a pod to; empty for one that is."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https") or not host:
        return "is no http or https URL"
    if parts.username is not None:
        return "has credentials in it, which anybody who may read the Workspace sees"
    if host == "localhost" or host.endswith(".localhost") or host in METADATA_HOSTS:
        return f"leads to {host}, which is the machine itself"
    address = _address(host)
    if address is not None and not address.is_global:
        return f"leads to {host}, an address inside"
    return ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address as a resolver does: 2130706433 and 0x7f.1 are one too."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        numbers = [
            int(part, 0) if not (part.isdigit() and part[0] == "0") else int(part, 8) for part in host.split(".")
        ]
    except ValueError:
        return None
    if len(numbers) > 4 or any(number > 255 for number in numbers[:-1]):
        return None
    value = numbers[-1] + sum(number << (24 - 8 * index) for index, number in enumerate(numbers[:-1]))
    return ipaddress.IPv4Address(value) if value < 1 << 32 else None


def _volume(path: str, source: DataSource | DataDestination) -> Iterator[Finding]:
    if source.volume_source is None:
        return
    field = f"{path}.volumeSource"
    for kind in source.volume_source:
        if kind not in KINDS and kind not in OTHER_KINDS:
            said = f"{field}.{kind} is no volume that data can be in."
            how = f"Use one of {', '.join(sorted(KINDS))}."
            yield Finding(Reason.INVALID_VOLUME, f"{field}.{kind}", said, how)
    if len(source.volume_source) != 1:
        said = f"{field} names {len(source.volume_source)} volumes."
        yield Finding(Reason.INVALID_VOLUME, field, said, "Name one.")
