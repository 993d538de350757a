"""Where a Workspace answers, from here: its ClusterIP, or a pod of it."""

import asyncio

from kaito.cli.kinds import WORKSPACE_LABEL
from kaito.contracts import SERVICE_PORT, SERVING_PORT
from kaito.core import Client, Key, NotFoundError
from kaito.core.errors import KaitoError
from kaito.core.kinds import POD, SERVICE
from kaito.local.controllers.pods import is_ready

CONNECT_SECONDS = 2.0


async def serving_host(client: Client, key: Key) -> str:
    """Return `address` or `address:port` for URLs: the Service's when it accepts connections here, else a ready pod's.

    KaitoError (NotServing) when neither is there.
    """
    cluster_ip = await _cluster_ip(client, key)
    if cluster_ip not in ("", "None") and await accepts(cluster_ip, SERVICE_PORT):
        return cluster_ip
    pods = (await client.list(POD, key.namespace, labels=f"{WORKSPACE_LABEL}={key.name}")).items
    for pod in pods:
        address = (pod.get("status") or {}).get("podIP")
        if address and is_ready(pod) and await accepts(address, SERVING_PORT):
            return f"{address}:{SERVING_PORT}"
    raise KaitoError(
        "NotServing",
        f"No ready pod of Workspace {key} can be reached from here.",
        remedy=f"`kaito status {key.name} -n {key.namespace} --why` says what it waits for.",
    )


async def _cluster_ip(client: Client, key: Key) -> str:
    try:
        service = await client.get(SERVICE, key)
    except NotFoundError:
        return ""
    return str(service["spec"].get("clusterIP") or "")


async def accepts(host: str, port: int) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
