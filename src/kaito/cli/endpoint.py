"""Where a Workspace answers, from here: its ClusterIP, or a pod of it."""

from collections.abc import AsyncIterator

import aiohttp

from kaito.cli.kinds import WORKSPACE_LABEL
from kaito.contracts import SERVING_PORT
from kaito.core import Client, Key, NotFoundError
from kaito.core.errors import KaitoError
from kaito.core.kinds import POD, SERVICE
from kaito.local.controllers.pods import is_ready

_PATIENCE = aiohttp.ClientTimeout(total=10, sock_connect=2)
"""A server that computes on the CPU it answers with takes its time; an address that nobody has takes none."""


async def serving_host(client: Client, key: Key) -> str:
    """Return `address` or `address:port` for URLs: the Service's when it answers here, else a ready pod's.

    KaitoError (NotServing) when neither answers.
    """
    host = await find_host(client, key)
    if host is None:
        raise KaitoError(
            "NotServing",
            f"No ready pod of Workspace {key} can be reached from here.",
            remedy=f"`kaito status {key.name} -n {key.namespace} --why` says what it waits for.",
        )
    return host


async def find_host(client: Client, key: Key) -> str | None:
    """Return what `serving_host` returns; None when neither the Service nor a ready pod answers."""
    async for host in _candidates(client, key):
        if await answers(host):
            return host
    return None


async def answers(host: str) -> bool:
    """Whether a server there says that it is ready, or knows no `/readyz` (a template's own server).

    That something accepts connections says little: the Service's address does while no pod behind it serves.
    """
    try:
        async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(f"http://{host}/readyz") as answer:
            return answer.status < 500
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def _candidates(client: Client, key: Key) -> AsyncIterator[str]:
    cluster_ip = await _cluster_ip(client, key)
    if cluster_ip not in ("", "None"):
        yield cluster_ip
    for pod in (await client.list(POD, key.namespace, labels=f"{WORKSPACE_LABEL}={key.name}")).items:
        address = (pod.get("status") or {}).get("podIP")
        if address and is_ready(pod):
            yield f"{address}:{SERVING_PORT}"


async def _cluster_ip(client: Client, key: Key) -> str:
    try:
        service = await client.get(SERVICE, key)
    except NotFoundError:
        return ""
    return str(service["spec"].get("clusterIP") or "")
