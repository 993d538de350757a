"""The process `kaito-provisioner`: turns Machines into nodes of a cloud."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kaito.core import KaitoError, Manager, add_installed, configure_logging, installed_controllers, run
from kaito.provisioner.limits import Limits
from kaito.provisioner.options import ProvisionerOptions

GROUP: Final = "kaito.reconcilers"
"""Entry-point group; the reconciler of this process is `machine`, so an installed package can replace it."""
LEVELS: Final = ("debug", "info", "warning", "error")

DESCRIPTION: Final = """\
example:
  kaito-provisioner --kubeconfig ~/.kaito/kubeconfig --cloud local --cloud-dir ~/.kaito/cloud

Turns Machines (karpenter.sh/v1alpha5) into nodes of a cloud, and takes them away again."""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    defaults = Limits()
    parsed = argparse.ArgumentParser(
        "kaito-provisioner",
        usage="kaito-provisioner [options]",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parsed.add_argument("--kubeconfig", metavar="FILE", help="how to reach the API server (default: as kubectl does)")
    parsed.add_argument("--metrics-address", metavar="HOST:PORT", default="127.0.0.1:8081", help="default: %(default)s")
    parsed.add_argument(
        "--cloud",
        default="local",
        help="where machines come from: local (processes of this computer) or kwok (nodes without machines, to try"
        " things out on any cluster); default: %(default)s",
    )
    parsed.add_argument("--cloud-dir", metavar="DIR", type=Path, help="folder of the local cloud")
    parsed.add_argument("--leader-elect", action="store_true", help="of several replicas let one work at a time")
    parsed.add_argument(
        "--leader-election-namespace",
        metavar="NAMESPACE",
        default="",
        help="where the Lease kaito-provisioner is (default: the pod's namespace)",
    )
    parsed.add_argument("--log-level", choices=LEVELS, default="info", help="default: %(default)s")
    for name, what in (
        ("launch", "for the cloud to give an instance"),
        ("registration", "for its node to join"),
        ("initialization", "for the node to be ready with all that was requested"),
        ("drain", "for pods that a disruption budget protects, before they are deleted with their node"),
    ):
        default = getattr(defaults, name)
        explained = f"how long to wait {what} (default: {default:.0f})"
        parsed.add_argument(f"--{name}-timeout", metavar="SECONDS", type=float, default=default, help=explained)
    return parsed


def options_of(arguments: argparse.Namespace) -> ProvisionerOptions:
    """Return the options that a command line says."""
    limits = Limits(
        launch=arguments.launch_timeout,
        registration=arguments.registration_timeout,
        initialization=arguments.initialization_timeout,
        drain=arguments.drain_timeout,
    )
    return ProvisionerOptions(arguments.cloud, arguments.cloud_dir, limits)


async def _run(arguments: argparse.Namespace) -> None:
    async with Manager.connect(
        "kaito-provisioner", kubeconfig=arguments.kubeconfig, metrics_address=arguments.metrics_address
    ) as manager:
        if arguments.leader_elect:
            manager.elect(arguments.leader_election_namespace)
        add_installed(manager, options_of(arguments), installed_controllers(GROUP, "kaito", "machine"))
        await manager.run()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the process; return its exit status."""
    arguments = parser().parse_args(argv)
    configure_logging(arguments.log_level)
    try:
        run(_run(arguments))
    except KaitoError as error:
        sys.stderr.write(f"kaito-provisioner: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
