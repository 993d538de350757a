"""`kaito-controller`: the process that runs the Workspace controller, and those that installed packages add."""

import sys
from collections.abc import Sequence
from typing import Final

from kaito.controllers.options import ControllerOptions, parse_options
from kaito.controllers.webhook.serve import serve_webhook
from kaito.controllers.workspace.rules import Catalogue
from kaito.core import KaitoError, Manager, add_installed, configure_logging, installed_controllers, run
from kaito.presets import load_presets, load_skus

GROUP: Final = "kaito.reconcilers"
"""Entry points of this group become controllers of this process: a package replaces `workspace`, or adds another."""
ELSEWHERE: Final = ("machine",)
"""What `kaito-provisioner` runs of the same group."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the process's exit code."""
    options = parse_options(arguments)
    configure_logging(options.log_level)
    try:
        run(_run(options))
    except KaitoError as error:
        print(f"kaito-controller: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(options: ControllerOptions) -> None:
    chosen = installed_controllers(GROUP, "kaito", options.controllers, ELSEWHERE)
    async with Manager.connect(
        "kaito-controller",
        kubeconfig=options.kubeconfig or None,
        metrics_address=options.metrics_address,
        field_manager="kaito-controller",
    ) as manager:
        if options.leader_elect:
            manager.elect(options.leader_election_namespace)
        add_installed(manager, options, chosen)
        if options.webhook is not None:
            serve_webhook(manager, options.webhook, Catalogue(load_presets(), load_skus(), options.settings.weights))
        await manager.run()


if __name__ == "__main__":
    sys.exit(main())
