"""The cells of the built-in kinds but Pod, as `pkg/printers/internalversion` of Kubernetes prints them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kaito.apiserver.table.durations import age, human_duration, moment_of
from kaito.apiserver.table.pods import pod_cells
from kaito.core.objects import Object

Cells = Callable[[Object, datetime], list[Any]]

_NONE = "<none>"
_ROLE_PREFIX = "node-role.kubernetes.io/"
_SHOWN = 3
"""How many endpoints and ports a cell names before it says how many more there are."""


def _name(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("name", ""))


def _age(obj: Object, now: datetime) -> str:
    return age(obj.get("metadata", {}).get("creationTimestamp"), now)


def generic_cells(obj: Object, now: datetime) -> list[Any]:
    """Return NAME and AGE: the row of a kind that has none of its own."""
    return [_name(obj), _age(obj, now)]


def _custom_resource_definition(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("metadata", {}).get("creationTimestamp")]


def _webhook_configuration(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), len(obj.get("webhooks") or ()), _age(obj, now)]


def _node(node: Object, now: datetime) -> list[Any]:
    status, info = node.get("status", {}), node.get("status", {}).get("nodeInfo", {})
    ready = [item for item in status.get("conditions", ()) if item.get("type") == "Ready"]
    words = [("" if item.get("status") == "True" else "Not") + "Ready" for item in ready] or ["Unknown"]
    if node.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    labels = node.get("metadata", {}).get("labels", {})
    roles = {label.removeprefix(_ROLE_PREFIX) for label in labels if label.startswith(_ROLE_PREFIX)}
    roles |= {labels.get("kubernetes.io/role", "")}
    return [
        _name(node),
        ",".join(words),
        ",".join(sorted(roles - {""})) or _NONE,
        _age(node, now),
        info.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        *(info.get(name) or "<unknown>" for name in ("osImage", "kernelVersion", "containerRuntimeVersion")),
    ]


def _address(status: Object, kind: str) -> str:
    return next((item["address"] for item in status.get("addresses", ()) if item.get("type") == kind), _NONE)


def _service(service: Object, now: datetime) -> list[Any]:
    spec = service.get("spec", {})
    ports = [
        f"{port['port']}{':' + str(port['nodePort']) if port.get('nodePort') else ''}/{port.get('protocol', 'TCP')}"
        for port in spec.get("ports", ())
    ]
    return [
        _name(service),
        spec.get("type", ""),
        spec.get("clusterIP") or _NONE,
        _external_ip(service),
        ",".join(ports) or _NONE,
        _age(service, now),
        _labels(spec.get("selector")),
    ]


def _external_ip(service: Object) -> str:
    spec = service.get("spec", {})
    given = list(spec.get("externalIPs", ()))
    match spec.get("type"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", ())
            return ",".join([*(item.get("ip") or item.get("hostname", "") for item in ingress), *given]) or "<pending>"
    return ",".join(given) or _NONE


def _deployment(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    return [
        _name(obj),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(obj, now),
        *_containers(spec),
        _selector(spec.get("selector")),
    ]


def _replica_set(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    counts = [spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [_name(obj), *counts, _age(obj, now), *_containers(spec), _selector(spec.get("selector"))]


def _stateful_set(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [_name(obj), ready, _age(obj, now), *_containers(spec)]


def _controller_revision(obj: Object, now: datetime) -> list[Any]:
    owners = obj.get("metadata", {}).get("ownerReferences") or ()
    owner = next((item for item in owners if item.get("controller")), None)
    group = owner["apiVersion"].rpartition("/")[0] if owner else ""
    kind = f"{owner['kind'].lower()}{'.' + group if group else ''}/{owner['name']}" if owner else _NONE
    return [_name(obj), kind, obj.get("revision", 0), _age(obj, now)]


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    names = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    nodes = _labels(spec.get("template", {}).get("spec", {}).get("nodeSelector"))
    counts = [status.get(name, 0) for name in names]
    return [_name(obj), *counts, nodes, _age(obj, now), *_containers(spec), _selector(spec.get("selector"))]


_JOB_STATES = {
    "Complete": "Complete",
    "Failed": "Failed",
    "": "Terminating",
    "Suspended": "Suspended",
    "FailureTarget": "FailureTarget",
    "SuccessCriteriaMet": "SuccessCriteriaMet",
}
"""The first that holds is a Job's STATUS; the empty one stands for a Job that is being deleted."""


def _job(job: Object, now: datetime) -> list[Any]:
    spec, status = job.get("spec", {}), job.get("status", {})
    holds = {item["type"] for item in status.get("conditions", ()) if item.get("status") == "True"}
    if job.get("metadata", {}).get("deletionTimestamp"):
        holds.add("")
    state = next((word for condition, word in _JOB_STATES.items() if condition in holds), "Running")
    done, wanted, parallelism = status.get("succeeded", 0), spec.get("completions"), spec.get("parallelism") or 0
    completions = (
        f"{done}/{wanted}" if wanted is not None else f"{done}/1" + (f" of {parallelism}" if parallelism > 1 else "")
    )
    start, end = moment_of(status.get("startTime")), moment_of(status.get("completionTime"))
    took = human_duration(((end or now) - start).total_seconds()) if start else ""
    return [_name(job), state, completions, took, _age(job, now), *_containers(spec), _selector(spec.get("selector"))]


def _event(event: Object, now: datetime) -> list[Any]:
    involved, source, series = (event.get(name) or {} for name in ("involvedObject", "source", "series"))
    first = age(event.get("firstTimestamp") or event.get("eventTime"), now)
    last = age(event["lastTimestamp"], now) if event.get("lastTimestamp") else first
    count = event.get("count") or 1
    if series:
        last, count = age(series.get("lastObservedTime"), now), series.get("count", count)
    target = involved.get("kind", "").lower() + (f"/{involved['name']}" if involved.get("name") else "")
    component = source.get("component") or event.get("reportingComponent", "")
    instance = source.get("host") or event.get("reportingInstance", "")
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        target,
        involved.get("fieldPath", ""),
        f"{component}, {instance}" if instance else component,
        event.get("message", "").strip(),
        first,
        count,
        _name(event),
    ]


def _endpoints(obj: Object, now: datetime) -> list[Any]:
    places = []
    for subset in obj.get("subsets") or ():
        addresses = [item.get("ip", "") for item in subset.get("addresses", ())]
        ports = [f":{port.get('port')}" for port in subset.get("ports", ())] or [""]
        places += [
            (f"[{address}]" if ":" in address and port else address) + port for port in ports for address in addresses
        ]
    shown = _some(places, " + {} more...") if obj.get("subsets") else _NONE
    return [_name(obj), shown, _age(obj, now)]


def _endpoint_slice(obj: Object, now: datetime) -> list[Any]:
    ports = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses", ())]
    more = " + {} more..."
    return [
        _name(obj),
        obj.get("addressType", ""),
        _some(ports, more) or "<unset>",
        _some(addresses, more) or "<unset>",
        _age(obj, now),
    ]


def _some(words: list[str], more: str) -> str:
    return ",".join(words[:_SHOWN]) + (more.format(len(words) - _SHOWN) if len(words) > _SHOWN else "")


def _config_map(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), _age(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("type", ""), len(obj.get("data") or ()), _age(obj, now)]


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("status", {}).get("phase", ""), _age(obj, now)]


def _service_account(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), len(obj.get("secrets") or ()), _age(obj, now)]


def _budget(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    amounts = ["N/A" if spec.get(name) is None else str(spec[name]) for name in ("minAvailable", "maxUnavailable")]
    return [_name(obj), *amounts, status.get("disruptionsAllowed", 0), _age(obj, now)]


def _lease(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("spec", {}).get("holderIdentity") or "", _age(obj, now)]


def _containers(spec: Object) -> list[str]:
    containers = spec.get("template", {}).get("spec", {}).get("containers", ())
    return [",".join(item.get(name, "") for item in containers) for name in ("name", "image")]


def _labels(labels: Object | None) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items())) or _NONE


def _selector(selector: Object | None) -> str:
    if not selector:
        return _NONE
    words = [f"{name}={value}" for name, value in sorted((selector.get("matchLabels") or {}).items())]
    words += [_requirement(item) for item in selector.get("matchExpressions") or ()]
    return ",".join(words) or _NONE


def _requirement(item: Object) -> str:
    values = ",".join(sorted(item.get("values") or ()))
    words = {
        "Exists": "{key}",
        "DoesNotExist": "!{key}",
        "In": "{key} in ({values})",
        "NotIn": "{key} notin ({values})",
    }
    return words.get(item["operator"], "{key}").format(key=item["key"], values=values)


BUILTIN_CELLS: dict[str, Cells] = {
    "Pod": pod_cells,
    "Node": _node,
    "Service": _service,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
    "ControllerRevision": _controller_revision,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Event": _event,
    "Endpoints": _endpoints,
    "EndpointSlice": _endpoint_slice,
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Namespace": _namespace,
    "ServiceAccount": _service_account,
    "PodDisruptionBudget": _budget,
    "Lease": _lease,
    "CustomResourceDefinition": _custom_resource_definition,
    "ValidatingWebhookConfiguration": _webhook_configuration,
    "MutatingWebhookConfiguration": _webhook_configuration,
}
