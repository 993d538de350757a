"""Pod logs: passed on from the kubelet of the pod's node."""

import asyncio
import ssl

import pytest
import pytest_asyncio
from aiohttp import web

from kaito.apiserver.pod_logs import container_of, kubelet_url
from kaito.core import ApiError

PODS, NODES = "/api/v1/namespaces/default/pods", "/api/v1/nodes"


class Kubelet:
    def __init__(self) -> None:
        self.requests: list[web.BaseRequest] = []
        self.more = asyncio.Event()
        self.port = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        if request.path.endswith("/waiting"):
            return web.Response(
                status=400, text='container "waiting" in pod "web" is waiting to start: PodInitializing'
            )
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first line\n")
        if request.query.get("follow") == "true":
            await self.more.wait()
            await response.write(b"second line\n")
        return response


@pytest_asyncio.fixture
async def kubelet(server):
    made = Kubelet()
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.certificates.certificate, server.certificates.key)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def make(api, port: int, *names: str) -> None:
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await api("POST", NODES, {"metadata": {"name": "gpu-1"}, "status": status})
    containers = [{"name": name, "image": "nginx"} for name in names or ("main",)]
    await api("POST", PODS, {"metadata": {"name": "web"}, "spec": {"nodeName": "gpu-1", "containers": containers}})


async def test_a_log_comes_from_the_node_with_its_options(start, kubelet, tmp_path):
    token = tmp_path / "kubelet-token"
    token.write_text("let-me-in\n")
    _, api = await start(kubelet_token_file=token)
    await make(api, kubelet.port)
    answer = await api("GET", f"{PODS}/web/log", tailLines=5, timestamps="true")
    assert (answer.code, answer.body) == (200, "first line\n")
    seen = kubelet.requests[0]
    assert seen.path == "/containerLogs/default/web/main"
    assert dict(seen.query) == {"tailLines": "5", "timestamps": "true"}
    assert seen.headers["Authorization"] == "Bearer let-me-in"


async def test_a_followed_log_arrives_line_by_line(api, kubelet):
    await make(api, kubelet.port)
    async with api.watch(f"{PODS}/web/log", follow="true", watch="") as log:
        assert await log._response.content.readline() == b"first line\n"
        kubelet.more.set()
        assert await log._response.content.readline() == b"second line\n"


async def test_the_kubelets_own_refusal_is_passed_on(api, kubelet):
    await make(api, kubelet.port, "main", "waiting")
    refused = await api("GET", f"{PODS}/web/log", container="waiting")
    assert refused.code == 400
    assert "is waiting to start: PodInitializing" in refused.body["message"]


async def test_a_node_that_does_not_answer_is_named(api):
    await make(api, 1)
    away = await api("GET", f"{PODS}/web/log")
    assert (away.code, away.reason) == (503, "ServiceUnavailable")
    assert "the kubelet of node gpu-1" in away.body["message"]


POD = {
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]},
}


def test_which_container_is_meant_must_be_clear():
    assert container_of(POD, "i") == "i"
    annotated = {**POD, "metadata": {"name": "web", "annotations": {"kubectl.kubernetes.io/default-container": "b"}}}
    assert container_of(annotated, "") == "b"
    for wanted, words in (
        ("", "choose one of: [a b] or one of the init containers: [i]"),
        ("c", "container c is not valid"),
    ):
        with pytest.raises(ApiError) as refused:
            container_of(POD, wanted)
        assert words in refused.value.message


@pytest.mark.parametrize(
    ("node", "words"), [(None, 'nodes "gpu-1" not found'), ({"status": {}}, "does not say where its kubelet")]
)
def test_a_node_without_an_address_is_named(node, words):
    with pytest.raises(ApiError) as refused:
        kubelet_url(node, "gpu-1")
    assert words in refused.value.message
