"""`kaito-controller`: the process that runs the Workspace controller."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Final

from kaito.controllers.options import ControllerOptions, parse_options
from kaito.controllers.webhook.serve import serve_webhook
from kaito.controllers.workspace.rules import Catalogue
from kaito.core import Controller, KaitoError, Manager, configure_logging
from kaito.presets import load_presets, load_skus

GROUP: Final = "kaito.reconcilers"
NAME: Final = "workspace"

ControllerFactory = Callable[[Manager, ControllerOptions], Controller]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the process's exit code."""
    options = parse_options(arguments)
    configure_logging(options.log_level)
    try:
        asyncio.run(_run(options))
    except KaitoError as error:
        print(f"kaito-controller: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(options: ControllerOptions) -> None:
    async with Manager.connect(
        "kaito-controller",
        kubeconfig=options.kubeconfig or None,
        metrics_address=options.metrics_address,
        field_manager="kaito-controller",
    ) as manager:
        if options.leader_elect:
            manager.elect(options.leader_election_namespace)
        manager.add(controller_factory()(manager, options))
        if options.webhook is not None:
            serve_webhook(manager, options.webhook, Catalogue(load_presets(), load_skus(), options.settings.weights))
        await manager.run()


def controller_factory() -> ControllerFactory:
    """Return what makes the Workspace controller: the installed entry point, so that a package can replace it.

    Raises the terminal `NoReconciler` when none is installed.
    """
    found = sorted(entry_points(group=GROUP, name=NAME), key=lambda entry: entry.value.startswith("kaito."))
    if not found:
        raise KaitoError(
            "NoReconciler",
            f"no installed package has an entry point {NAME!r} in the group {GROUP!r}.",
            terminal=True,
            remedy="Install kaito as a package (`uv sync`), not as a folder on the path.",
        )
    factory: ControllerFactory = found[0].load()
    return factory


if __name__ == "__main__":
    sys.exit(main())
