"""`kaito-node`: connects, joins the cluster as a node, and runs until a signal."""

import asyncio
import sys
from collections.abc import Sequence

from kaito.core import KaitoError, Manager, SystemClock, configure_logging
from kaito.local.node.agent import join
from kaito.local.node.options import Options, parse_options


async def run(options: Options) -> None:
    """Run a node until SIGTERM or SIGINT."""
    async with Manager.connect(
        "kaito-node", kubeconfig=options.kubeconfig, metrics_address=options.metrics_address, clock=SystemClock()
    ) as manager:
        node = await join(manager, options)
        try:
            await manager.run()
            if options.stop_pods_on_exit:
                await node.stop_containers(options.exit_grace)
        finally:
            await node.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `kaito-node`; the exit status is 1 for what a person has to put right."""
    options = parse_options(arguments)
    configure_logging(options.log_level)
    try:
        asyncio.run(run(options))
    except KaitoError as error:
        sys.exit(f"kaito-node: {error}")
    except OSError as error:
        sys.exit(f"kaito-node: {error}. Choose another --dir, --node-ip or --kubelet-port, or end what uses them.")


if __name__ == "__main__":
    main()
