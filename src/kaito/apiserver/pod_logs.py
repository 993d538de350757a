"""Pod logs: fetched from the kubelet of the pod's node and passed on as they come."""

import asyncio
from pathlib import Path
from urllib.parse import quote

import aiohttp
from aiohttp import web

from kaito.apiserver import status
from kaito.apiserver.request import Options
from kaito.apiserver.store import Store
from kaito.core.errors import ApiError
from kaito.core.objects import Key, Object

_PASSED_ON = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes")
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_CONNECT_SECONDS = 5.0
_CHUNK_BYTES = 1 << 16


class PodLogs:
    """Streams logs from kubelets. The token file is read for each request, so that it may change."""

    def __init__(self, store: Store, token_file: Path | None) -> None:
        self._store = store
        self._token_file = token_file

    async def stream(self, request: web.BaseRequest, key: Key, options: Options) -> web.StreamResponse:
        """Answer a log request.

        Raises ApiError: 400 when the pod has no such container or no node, 404 when the pod or the node is gone, 503
        when the node does not answer.
        """
        pod = self._store.read("pods", key)
        if pod is None:
            raise status.not_found("", "pods", key.name)
        container = container_of(pod, options.text("container"))
        node_name = pod["spec"].get("nodeName")
        if not node_name:
            raise status.bad_request(f"pod {key.name} does not have a host assigned")
        base = kubelet_url(self._store.read("nodes", Key("", node_name)), node_name)
        url = f"{base}/containerLogs/{quote(key.namespace)}/{quote(key.name)}/{quote(container)}"
        query = {name: options.text(name) for name in _PASSED_ON if options.text(name)}
        headers = {}
        if self._token_file is not None:
            token = await asyncio.to_thread(self._token_file.read_text)
            headers["Authorization"] = f"Bearer {token.strip()}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, params=query, headers=headers, ssl=False) as answer,
            ):
                if answer.status >= 400:
                    raise kubelet_error(answer.status, await answer.text())
                return await _pass_on(request, answer)
        except aiohttp.ClientConnectorError as error:
            raise status.unavailable(
                f"the kubelet of node {node_name} ({base}) does not answer: {error.strerror or error}. "
                "Is the node's process still running?"
            ) from None


async def _pass_on(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        await response.write(chunk)
    await response.write_eof()
    return response


def kubelet_error(code: int, text: str) -> ApiError:
    """Return what a client is told of a kubelet's refusal: its words, and its code where that means the same here."""
    message = text.strip() or f"the kubelet answered {code}"
    if code == 404:
        return status.missing(message)
    if code == 400:
        return status.bad_request(message)
    return status.internal(f"the kubelet answered {code}: {message}")


def container_of(pod: Object, wanted: str) -> str:
    """Return the container that is meant; 400 when that is not clear or there is none of the name."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = [container["name"] for container in spec.get("containers") or ()]
    initial = [container["name"] for container in spec.get("initContainers") or ()]
    if not wanted:
        wanted = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER, "")
    if not wanted and len(names) == 1:
        return str(names[0])
    if not wanted:
        also = f" or one of the init containers: [{' '.join(initial)}]" if initial else ""
        raise status.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]{also}"
        )
    if wanted not in (*names, *initial):
        raise status.bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def kubelet_url(node: Object | None, name: str) -> str:
    """Return where a node's kubelet listens; 404 when the node is gone, 503 when it does not say."""
    if node is None:
        raise status.not_found("", "nodes", name)
    node_status = node.get("status") or {}
    port = ((node_status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
    addresses = {item["type"]: item["address"] for item in node_status.get("addresses") or ()}
    host = addresses.get("InternalIP") or addresses.get("Hostname")
    if not port or not host:
        raise status.unavailable(f"node {name} does not say where its kubelet listens")
    return f"https://{host}:{port}"
