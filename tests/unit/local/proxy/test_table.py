"""Which addresses the proxy listens on."""

from typing import Any

from kaito.local.proxy.table import Address, is_loopback, table


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80}, {"name": "torch", "port": 29500}]
    return {"spec": {"clusterIP": "127.96.0.9", "ports": ports, **spec}}


def part(*endpoints: dict[str, Any]) -> dict[str, Any]:
    ports = [{"name": "http", "port": 5000}, {"name": "torch", "port": 29500}]
    return {"ports": ports, "endpoints": list(endpoints)}


def endpoint(ip: str, *, ready: bool | None = True, node: str = "n") -> dict[str, Any]:
    conditions = {} if ready is None else {"ready": ready}
    return {"addresses": [ip], "conditions": conditions, "nodeName": node}


def test_each_port_leads_to_the_ready_endpoints_by_its_name() -> None:
    found = table(service(), [part(endpoint("127.1.0.2"), endpoint("127.1.0.1"), endpoint("127.1.0.3", ready=False))])
    assert found == {
        Address("127.96.0.9", 80): (Address("127.1.0.1", 5000), Address("127.1.0.2", 5000)),
        Address("127.96.0.9", 29500): (Address("127.1.0.1", 29500), Address("127.1.0.2", 29500)),
    }


def test_unknown_readiness_counts_as_ready() -> None:
    assert table(service(), [part(endpoint("127.1.0.1", ready=None))])


def test_without_a_ready_endpoint_nothing_listens() -> None:
    assert table(service(), [part(endpoint("127.1.0.1", ready=False))]) == {}
    assert table(service(), []) == {}


def test_headless_external_and_udp_ports_are_left_alone() -> None:
    slices = [part(endpoint("127.1.0.1"))]
    assert table(service(clusterIP="None"), slices) == {}
    assert table(service(type="ExternalName"), slices) == {}
    assert table(service(ports=[{"name": "http", "port": 80, "protocol": "UDP"}]), slices) == {}


def test_on_a_cluster_of_others_only_our_own_nodes_count() -> None:
    slices = [part(endpoint("10.0.0.1", node="theirs"), endpoint("10.0.0.2", node="ours"))]
    assert table(service(), slices, {"ours"})[Address("127.96.0.9", 80)] == (Address("10.0.0.2", 5000),)


def test_loopback_is_the_whole_range() -> None:
    assert is_loopback("127.96.3.4")
    assert not is_loopback("10.96.3.4")
