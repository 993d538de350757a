"""Which machines to start, which to take down, and when to look again. Pure."""

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.core.clock import parse_timestamp
from kaito.provisioner.clouds.local import LocalInstance

POD_GRACE_SECONDS = 60
"""Longest time that the pods of a machine have to end: the grace period of our own."""


@dataclass(frozen=True)
class Decision:
    """What the machine room does now. `look_again` in seconds; None: when a file changes."""

    start: tuple[LocalInstance, ...] = ()
    stop: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    look_again: float | None = None


def decide(
    instances: Sequence[LocalInstance],
    running: Collection[str],
    stopping: Collection[str],
    boot_seconds: float,
    started: datetime,
    now: datetime,
) -> Decision:
    """Return what to do for the instance files.

    An instance boots for `boot_seconds` from its creation, or from `started` (when this machine room began: its
    machines were off before). A machine whose file is gone, or says terminating, is taken down; then the file goes.
    """
    wanted = {instance.name: instance for instance in instances if instance.state == "running"}
    start, waits = [], []
    for name, instance in wanted.items():
        if name in running or name in stopping:
            continue
        begun = max(parse_timestamp(instance.created_at), started)
        left = (begun + timedelta(seconds=boot_seconds) - now).total_seconds()
        if left > 0:
            waits.append(left)
        else:
            start.append(instance)
    ending = [instance.name for instance in instances if instance.state == "terminating"]
    return Decision(
        start=tuple(start),
        stop=tuple(name for name in running if name not in wanted and name not in stopping),
        remove=tuple(name for name in ending if name not in running and name not in stopping),
        look_again=min(waits, default=None),
    )


def lowest_free_index(taken: Collection[int]) -> int:
    """Return the lowest positive number that no machine has."""
    index = 1
    while index in taken:
        index += 1
    return index


def pod_cidr(cluster_cidr: str, index: int) -> str:
    """Return the /24 of machine `index` (from 1) within `cluster_cidr`; its 0 is left to the machine itself.

    ValueError when the range has no such /24.
    """
    network = ipaddress.IPv4Network(cluster_cidr)
    base = int(network.network_address) + index * 256
    if base > int(network.broadcast_address):
        raise ValueError(f"the range {cluster_cidr} has no room for machine {index}")
    return f"{ipaddress.IPv4Address(base)}/24"


def node_arguments(
    instance: LocalInstance,
    cidr: str,
    *,
    kubeconfig: str,
    folder: str,
    kubelet_token: str = "",
    kubelet_client_ca: str = "",
) -> tuple[str, ...]:
    """Return the command line of the machine's `kaito-node`, which ends its pods with itself as a machine does."""
    labels: Mapping[str, str] = instance.labels
    taints = [f"{taint.key}={taint.value or ''}:{taint.effect}" for taint in instance.taints]
    return (
        "kaito-node",
        "--kubeconfig",
        kubeconfig,
        "--name",
        instance.name,
        "--dir",
        folder,
        *(("--provider-id", instance.provider_id) if instance.provider_id else ()),
        "--pod-cidr",
        cidr,
        *(part for name, value in sorted(labels.items()) for part in ("--label", f"{name}={value}")),
        *(part for taint in taints for part in ("--taint", taint)),
        *(part for name, value in sorted(instance.capacity.items()) for part in ("--capacity", f"{name}={value}")),
        *("--kubelet-port", "0"),
        *(("--kubelet-token-file", kubelet_token) if kubelet_token else ()),
        *(("--kubelet-client-ca-file", kubelet_client_ca) if kubelet_client_ca else ()),
        "--stop-pods-on-exit",
        *("--exit-grace-seconds", str(POD_GRACE_SECONDS)),
    )
