"""The Endpoints and the EndpointSlice of a Service, from its pods. Pure.

Source: Kubernetes' `pkg/controller/endpoint` and `pkg/controller/endpointslice`. One slice per Service: a local cluster
has far fewer than the hundred endpoints that fill one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kaito.core import Object, owner_reference
from kaito.local.controllers.pods import is_ready, is_terminal, is_terminating, node_name

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"


def has_endpoints(service: Object) -> bool:
    """Whether this controller keeps the Service's endpoints: it has a selector and is no external name."""
    spec = service.get("spec") or {}
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def endpoints(service: Object, pods: Sequence[Object]) -> Object:
    """Return the `v1` Endpoints of a Service."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    grouped: dict[tuple[tuple[str, int, str], ...], tuple[list[Object], list[Object]]] = {}
    for pod in _addressed(pods):
        if is_terminating(pod) and not publish:
            continue
        ports = tuple((port["name"], port["port"], port["protocol"]) for port in _ports(service, pod))
        ready, not_ready = grouped.setdefault(ports, ([], []))
        (ready if publish or is_ready(pod) else not_ready).append(_address(pod))
    subsets = []
    for ports, (ready, not_ready) in sorted(grouped.items()):
        subset: Object = {}
        if ready:
            subset["addresses"] = ready
        if not_ready:
            subset["notReadyAddresses"] = not_ready
        if ports:
            subset["ports"] = [_named({"port": number, "protocol": protocol}, name) for name, number, protocol in ports]
        subsets.append(subset)
    labels = dict(service["metadata"].get("labels") or {})
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": service["metadata"]["name"],
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
        },
        "subsets": subsets,
    }


def endpoint_slice(service: Object, pods: Sequence[Object], zones: Mapping[str, str]) -> Object:
    """Return the `discovery.k8s.io/v1` EndpointSlice of a Service; without endpoints it has no ports either.

    `zones` are the nodes' zones by node name.
    """
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    addressed = _addressed(pods)
    listed = [_endpoint(pod, publish, zones) for pod in addressed]
    ports = _ports(service, addressed[0]) if addressed else []
    name = service["metadata"]["name"]
    labels = {**(service["metadata"].get("labels") or {}), SERVICE_NAME: name, MANAGED_BY: CONTROLLER}
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{service['metadata']['uid'][:5]}",
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference({"apiVersion": "v1", "kind": "Service", **service})],
        },
        "addressType": "IPv4",
        "endpoints": listed,
        "ports": [_named({"port": port["port"], "protocol": port["protocol"]}, port["name"]) for port in ports],
    }


def differs(current: Object | None, wanted: Object) -> bool:
    """Whether `current` has to be written to be `wanted`; what others added beside it does not count."""
    if current is None:
        return True
    labels = current["metadata"].get("labels") or {}
    if any(labels.get(name) != value for name, value in wanted["metadata"]["labels"].items()):
        return True
    parts = [part for part in wanted if part not in ("apiVersion", "kind", "metadata")]
    return any((current.get(part) or []) != (wanted[part] or []) for part in parts)


def _addressed(pods: Sequence[Object]) -> list[Object]:
    """Return the pods that have an address and have not ended, by name."""
    found = [pod for pod in pods if (pod.get("status") or {}).get("podIP") and not is_terminal(pod)]
    return sorted(found, key=lambda pod: pod["metadata"]["name"])


def _address(pod: Object) -> Object:
    address: Object = {"ip": pod["status"]["podIP"], "targetRef": _reference(pod)}
    if node_name(pod):
        address["nodeName"] = node_name(pod)
    if pod["spec"].get("hostname"):
        address["hostname"] = pod["spec"]["hostname"]
    return address


def _endpoint(pod: Object, publish: bool, zones: Mapping[str, str]) -> Object:
    terminating = is_terminating(pod)
    result: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": publish or (is_ready(pod) and not terminating),
            "serving": publish or is_ready(pod),
            "terminating": terminating,
        },
        "targetRef": _reference(pod),
    }
    node = node_name(pod)
    if node:
        result["nodeName"] = node
    if zones.get(node):
        result["zone"] = zones[node]
    if pod["spec"].get("hostname"):
        result["hostname"] = pod["spec"]["hostname"]
    return result


def _reference(pod: Object) -> Object:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def _ports(service: Object, pod: Object) -> list[dict[str, Any]]:
    """Resolve the Service's target ports on a pod; a named port that the pod does not have is left out."""
    result = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort") or port["port"]
        number = target if isinstance(target, int) else _container_port(pod, target)
        if number is not None:
            result.append({"name": port.get("name") or "", "port": number, "protocol": port.get("protocol") or "TCP"})
    return result


def _container_port(pod: Object, name: str) -> int | None:
    if name.isdigit():
        return int(name)
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return None


def _named(port: Object, name: str) -> Object:
    return {"name": name, **port} if name else port
