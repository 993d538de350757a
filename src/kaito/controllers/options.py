"""The controller's options and its command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from kaito.controllers.webhook.options import WebhookOptions, add_webhook_arguments, webhook_options

STAND_IN: Final = "stand-in"
HUB: Final = "hub"

EXAMPLE = """\
example:
  kaito-controller --kubeconfig ~/.kube/config --weights hub

The preset's weights come from the Hugging Face Hub (`hub`), from a folder of the node with one sub-folder per preset
(`/models`), or are replaced by a tiny model of the same architecture (`stand-in`), which serves on a CPU.
"""


@dataclass(frozen=True)
class Settings:
    """What workloads are rendered with. `weights` is `stand-in`, `hub` or an absolute path on the nodes."""

    weights: str = STAND_IN
    weights_cache_dir: str = "/var/lib/kaito/weights"
    runtime_image: str = "kaito-runtime:0.1.0"


@dataclass(frozen=True)
class ControllerOptions:
    """The options of `kaito-controller`. An empty kubeconfig means the usual places, then the cluster it runs in.

    `controllers` chooses among those that are installed, as `installed_controllers` reads it. Without `webhook` none is
    served.
    """

    kubeconfig: str = ""
    metrics_address: str = "127.0.0.1:8080"
    node_provisioner: Literal["machine"] = "machine"
    log_level: str = "info"
    workers: int = 4
    controllers: str = "*"
    leader_elect: bool = False
    leader_election_namespace: str = ""
    settings: Settings = field(default_factory=Settings)
    webhook: WebhookOptions | None = None


def parse_options(arguments: Sequence[str] | None = None) -> ControllerOptions:
    """Return the options of a command line; exits with usage and code 2 where it is wrong."""
    options = _parser().parse_args(arguments)
    return ControllerOptions(
        kubeconfig=options.kubeconfig,
        metrics_address=options.metrics_address,
        node_provisioner=options.node_provisioner,
        log_level=options.log_level,
        workers=options.workers,
        controllers=options.controllers,
        leader_elect=options.leader_elect,
        leader_election_namespace=options.leader_election_namespace,
        settings=Settings(
            weights=options.weights,
            weights_cache_dir=options.weights_cache_dir,
            runtime_image=options.runtime_image,
        ),
        webhook=webhook_options(options),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kaito-controller",
        description=f"Turns Workspaces into nodes and served models.\n\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = ControllerOptions()
    add = parser.add_argument
    add("--kubeconfig", default="", metavar="FILE", help="default: $KUBECONFIG, ~/.kube/config, then in-cluster")
    add("--metrics-address", default=default.metrics_address, metavar="HOST:PORT", help="/metrics, /healthz, /readyz")
    add("--weights", type=_weights, default=default.settings.weights, metavar="stand-in|hub|/DIR")
    add(
        "--weights-cache-dir",
        type=_absolute,
        default=default.settings.weights_cache_dir,
        metavar="DIR",
        help="folder of the nodes that keeps stand-ins and downloads from one pod to the next",
    )
    add("--runtime-image", default=default.settings.runtime_image, metavar="IMAGE", help="image of new workloads")
    add(
        "--node-provisioner",
        choices=["machine"],
        default=default.node_provisioner,
        help="API that nodes are claimed by",
    )
    add("--workers", type=_positive, default=default.workers, metavar="N", help="Workspaces reconciled at a time")
    add(
        "--controllers",
        default=default.controllers,
        metavar="LIST",
        help="which of the installed controllers to run: * is all, name that one, -name not that one; default: *",
    )
    add("--leader-elect", action="store_true", help="of several replicas let one work at a time")
    add(
        "--leader-election-namespace",
        default="",
        metavar="NAMESPACE",
        help="where the Lease kaito-controller is (default: the pod's namespace)",
    )
    add_webhook_arguments(parser)
    add("--log-level", choices=["debug", "info", "warning", "error"], default=default.log_level)
    return parser


def _weights(text: str) -> str:
    if text in {STAND_IN, HUB} or text.startswith("/"):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is none of stand-in, hub and an absolute path")


def _absolute(text: str) -> str:
    if text.startswith("/"):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not an absolute path")


def _positive(text: str) -> int:
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
