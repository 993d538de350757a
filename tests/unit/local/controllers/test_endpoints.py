"""The addresses behind a Service."""

from typing import Any

from kaito.local.controllers.endpoints.decide import differs, endpoint_slice, endpoints, has_endpoints


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 5000}, {"name": "torch", "port": 29500, "targetPort": "torch"}]
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "123456"},
        "spec": {"selector": {"app": "web"}, "clusterIP": "127.96.0.9", "ports": ports, **spec},
    }


def pod(name: str, ip: str, *, ready: bool = True, deleting: bool = False, phase: str = "Running") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": name}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"nodeName": "n", "containers": [{"ports": [{"name": "torch", "containerPort": 29500}]}]},
        "status": {"podIP": ip, "phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def test_ready_and_not_ready_pods_are_kept_apart_and_ended_ones_left_out() -> None:
    pods = [pod("b", "127.1.0.2"), pod("a", "127.1.0.1", ready=False), pod("c", "127.1.0.3", phase="Failed")]
    (subset,) = endpoints(service(), pods)["subsets"]
    assert [one["ip"] for one in subset["addresses"]] == ["127.1.0.2"]
    assert [one["ip"] for one in subset["notReadyAddresses"]] == ["127.1.0.1"]
    assert subset["ports"] == [
        {"name": "http", "port": 5000, "protocol": "TCP"},
        {"name": "torch", "port": 29500, "protocol": "TCP"},
    ]


def test_a_headless_service_may_publish_pods_that_are_not_ready() -> None:
    headless = service(clusterIP="None", publishNotReadyAddresses=True)
    (subset,) = endpoints(headless, [pod("a", "127.1.0.1", ready=False)])["subsets"]
    assert [one["ip"] for one in subset["addresses"]] == ["127.1.0.1"]
    part = endpoint_slice(headless, [pod("a", "127.1.0.1", ready=False)], {})
    assert part["endpoints"][0]["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert part["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_a_terminating_pod_serves_but_is_not_ready() -> None:
    part = endpoint_slice(service(), [pod("a", "127.1.0.1", deleting=True)], {"n": "z1"})
    (endpoint,) = part["endpoints"]
    assert endpoint["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert endpoint["zone"] == "z1"
    assert endpoints(service(), [pod("a", "127.1.0.1", deleting=True)])["subsets"] == []


def test_a_pod_without_an_address_is_no_endpoint() -> None:
    empty = endpoint_slice(service(), [pod("a", "")], {})
    assert (empty["endpoints"], empty["ports"]) == ([], [])


def test_only_what_this_controller_writes_makes_a_difference() -> None:
    wanted = endpoint_slice(service(), [pod("a", "127.1.0.1")], {})
    assert differs(None, wanted)
    stored = {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": "5", "annotations": {"x": "y"}}}
    assert not differs(stored, wanted)
    assert differs(stored, endpoint_slice(service(), [pod("a", "127.1.0.2")], {}))
    assert not differs({"metadata": wanted["metadata"]}, {"metadata": wanted["metadata"], "subsets": []})


def test_services_without_selector_and_external_names_are_left_alone() -> None:
    assert has_endpoints(service())
    assert not has_endpoints(service(selector={}))
    assert not has_endpoints(service(type="ExternalName"))
