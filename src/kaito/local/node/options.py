"""What kaito-node is told: its command line, read into one frozen object."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kaito.core.objects import Object

MountMode = Literal["auto", "namespace", "rewrite"]

EXAMPLE = """\
example:
  kaito-node --kubeconfig ~/.kaito/kubeconfig --name laptop --dir ~/.kaito/nodes/laptop \\
             --label node.kubernetes.io/instance-type=Standard_NC12s_v3 --capacity nvidia.com/gpu=2
"""


@dataclass(frozen=True)
class Options:
    """One node. `capacity` adds to, or replaces, what this machine has; `exit_grace` and heartbeats are in seconds."""

    name: str
    root: Path
    kubeconfig: str | None = None
    provider_id: str = ""
    pod_cidr: str = "127.244.1.0/24"
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    capacity: Mapping[str, str] = field(default_factory=dict)
    node_ip: str | None = None
    kubelet_port: int = 0
    kubelet_token_file: Path | None = None
    kubelet_client_ca_file: Path | None = None
    metrics_address: str = "127.0.0.1:0"
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mounts: MountMode = "auto"
    host_env: tuple[str, ...] = ()
    stop_pods_on_exit: bool = False
    exit_grace: float = 10.0
    log_level: str = "info"


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return key, value


def parse_taint(text: str) -> Object:
    """Read `key[=value]:Effect`; raises ArgumentTypeError for anything else."""
    rest, colon, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    if not colon or not key or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE:NoSchedule|PreferNoSchedule|NoExecute")
    return {"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="kaito-node",
        usage="kaito-node --name NAME --dir DIR [options]",
        description=f"{EXAMPLE}\nA node of a cluster that runs the containers of its pods as processes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--kubeconfig", help="the cluster to join (default: $KUBECONFIG, ~/.kube/config, in-cluster)")
    add("--name", required=True, help="name of the Node object")
    add("--dir", required=True, type=Path, help="folder for volumes, logs and records; kept over restarts")
    add("--provider-id", default="", help="spec.providerID of the Node, such as local:///NAME")
    add(
        "--pod-cidr",
        default="127.244.1.0/24",
        help="addresses of the pods; outside 127.0.0.0/8 root is needed (%(default)s)",
    )
    add("--node-ip", help="the node's own address (default: the first of the pod CIDR)")
    add("--label", action="append", type=_pair, default=[], metavar="K=V", help="label of the Node; repeatable")
    add("--taint", action="append", type=parse_taint, default=[], metavar="K=V:EFFECT", help="taint; repeatable")
    add("--capacity", action="append", type=_pair, default=[], metavar="R=N", help="capacity of the Node; repeatable")
    add("--kubelet-port", type=int, default=0, help="port of the kubelet endpoint (logs); 0 picks a free one")
    add(
        "--kubelet-token-file",
        type=Path,
        help="bearer token that the kubelet endpoint asks for (default: none is accepted)",
    )
    add(
        "--kubelet-client-ca-file",
        type=Path,
        help="accept clients with a certificate of this CA, as a real kube-apiserver has one (default: none)",
    )
    add(
        "--metrics-address", default="127.0.0.1:0", help="where /metrics, /healthz and /readyz are served (%(default)s)"
    )
    add(
        "--image",
        action="append",
        type=_pair,
        default=[],
        metavar="NAME=PROGRAM",
        help="map an image to a program; repeatable",
    )
    add(
        "--mounts",
        choices=("auto", "namespace", "rewrite"),
        default="auto",
        help="volumes appear at their mount paths in a mount namespace, or the paths are rewritten (%(default)s)",
    )
    add(
        "--host-env",
        action="append",
        default=[],
        metavar="NAME",
        help="pass this variable on to containers; repeatable",
    )
    add(
        "--stop-pods-on-exit",
        action="store_true",
        help="end all containers on SIGTERM (default: they go on and are found again)",
    )
    add("--exit-grace-seconds", type=float, default=10.0, help="longest grace of a container then (%(default)s)")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return made


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; exits with a message for a wrong one."""
    given = parser().parse_args(arguments)
    return Options(
        name=given.name,
        root=given.dir.absolute(),
        kubeconfig=given.kubeconfig,
        provider_id=given.provider_id,
        pod_cidr=given.pod_cidr,
        labels=dict(given.label),
        taints=tuple(given.taint),
        capacity=dict(given.capacity),
        node_ip=given.node_ip,
        kubelet_port=given.kubelet_port,
        kubelet_token_file=given.kubelet_token_file,
        kubelet_client_ca_file=given.kubelet_client_ca_file,
        metrics_address=given.metrics_address,
        images={name: tuple(program.split()) for name, program in given.image},
        mounts=given.mounts,
        host_env=tuple(given.host_env),
        stop_pods_on_exit=given.stop_pods_on_exit,
        exit_grace=given.exit_grace_seconds,
        log_level=given.log_level,
    )
