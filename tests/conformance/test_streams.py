"""exec, attach, port-forward and log, as far as an API server answers without a kubelet."""

from collections.abc import Iterator

import pytest
from asking import Api

STREAMS = ("exec", "attach", "portforward")
QUERY = {"exec": {"command": "true", "stdout": "true"}, "attach": {"stdout": "true"}}


@pytest.fixture
def pods(api: Api, namespace: str) -> Iterator[str]:
    path = f"/api/v1/namespaces/{namespace}/pods"
    for name, node in (("waiting", ""), ("lost", "no-such-node")):
        containers = [{"name": each, "image": "nginx"} for each in ("main", "second")]
        spec = {"containers": containers, **({"nodeName": node} if node else {"schedulerName": "nobody"})}
        metadata = {
            "name": name,
            "finalizers": ["example.org/test"],
        }  # without its node it may be collected at any time
        made = api.post(path, {"metadata": metadata, "spec": spec})
        assert made.code == 201, made.body
    yield path
    for name in ("waiting", "lost"):
        api.delete(f"{path}/{name}", gracePeriodSeconds=0)
        api.patch(f"{path}/{name}", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("stream", STREAMS)
def test_a_pod_that_is_not_there_is_not_found(api: Api, pods: str, stream: str) -> None:
    answer = api.post(f"{pods}/none/{stream}", None, **QUERY.get(stream, {}))
    assert (answer.code, answer.reason, answer.message) == (404, "NotFound", 'pods "none" not found')


@pytest.mark.parametrize("stream", STREAMS)
def test_a_pod_without_a_node_is_a_bad_request(api: Api, pods: str, stream: str) -> None:
    query = {**QUERY[stream], "container": "main"} if stream in QUERY else {}
    answer = api.post(f"{pods}/waiting/{stream}", None, **query)
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert answer.message == "pod waiting does not have a host assigned"


@pytest.mark.parametrize("stream", [*STREAMS, "log"])
def test_the_node_of_a_pod_that_is_gone_is_not_found(api: Api, pods: str, stream: str) -> None:
    query = {**QUERY.get(stream, {}), "container": "main"} if stream != "portforward" else {}
    answer = api.ask("GET" if stream == "log" else "POST", f"{pods}/lost/{stream}", None, **query)
    assert (answer.code, answer.reason) == (404, "NotFound")
    assert '"no-such-node" not found' in answer.message  # the real server calls it a pod


@pytest.mark.parametrize("stream", ["exec", "attach", "log"])
def test_a_container_that_is_not_there_is_a_bad_request(api: Api, pods: str, stream: str) -> None:
    query = {**QUERY.get(stream, {}), "container": "third"}
    answer = api.ask("GET" if stream == "log" else "POST", f"{pods}/lost/{stream}", None, **query)
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert answer.message == "container third is not valid for pod lost"


@pytest.mark.parametrize("stream", ["exec", "attach", "log"])
def test_of_several_containers_one_must_be_named(api: Api, pods: str, stream: str) -> None:
    answer = api.ask("GET" if stream == "log" else "POST", f"{pods}/lost/{stream}", None, **QUERY.get(stream, {}))
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert answer.message == "a container name must be specified for pod lost, choose one of: [main second]"


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_streams_are_got_or_created(api: Api, pods: str, stream: str, method: str) -> None:
    answer = api.ask(method, f"{pods}/lost/{stream}", None)
    assert (answer.code, answer.reason) == (405, "MethodNotAllowed")


@pytest.mark.parametrize("stream", STREAMS)
def test_discovery_names_the_options_of_a_stream(api: Api, stream: str) -> None:
    found = {each["name"]: each for each in api.get("/api/v1").body["resources"]}[f"pods/{stream}"]
    kinds = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}
    assert (found["kind"], found["verbs"]) == (kinds[stream], ["create", "get"])
