"""`python -m kaito.local.cluster`: the built-in controllers, the scheduler and the service proxy, in one process."""

import argparse
import asyncio

from kaito.core import Manager, configure_logging
from kaito.local.controllers import built_in_controllers, garbage_collector
from kaito.local.proxy import service_proxy


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m kaito.local.cluster",
        description="Example: python -m kaito.local.cluster --kubeconfig ~/.kaito/kubeconfig",
    )
    parser.add_argument("--kubeconfig", default=None, help="kubeconfig of the API server (default: $KUBECONFIG)")
    parser.add_argument(
        "--metrics-address", default="127.0.0.1:0", help="where /metrics, /healthz and /readyz are served"
    )
    parser.add_argument(
        "--proxy-only", action="store_true", help="the service proxy alone: the control plane has its own controllers"
    )
    parser.add_argument("--log-level", default="info", help="debug, info, warning or error")
    arguments = parser.parse_args()
    configure_logging(arguments.log_level)
    asyncio.run(run(arguments.kubeconfig, arguments.metrics_address, proxy_only=arguments.proxy_only))


async def run(kubeconfig: str | None, metrics_address: str, *, proxy_only: bool) -> None:
    """Run the parts of a cluster that an API server does not have. KaitoError when the server cannot be used."""
    async with Manager.connect("kaito-cluster", kubeconfig=kubeconfig, metrics_address=metrics_address) as manager:
        controller, proxy = service_proxy(manager, local_nodes_only=proxy_only)
        manager.add(controller)
        if not proxy_only:
            for one in built_in_controllers(manager):
                manager.add(one)
            manager.add(await garbage_collector(manager))
        try:
            await manager.run()
        finally:
            await proxy.stop()


if __name__ == "__main__":
    main()
