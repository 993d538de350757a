"""Defaults of the built-in kinds: one function a type, found by walking an object along its schema.

Source: `pkg/apis/*/v1/defaults.go` of Kubernetes 1.34.
"""

import base64
from collections.abc import Callable
from typing import Any

from kaito.apiserver.schema.builtin import builtin_schema
from kaito.apiserver.schema.defaulting import defaulted
from kaito.apiserver.schema.quantities import canonical_quantity
from kaito.apiserver.schema.structural import StructuralSchema
from kaito.apiserver.schema.wire_form import wire_form
from kaito.core.objects import Object


def apply_defaults(api_version: str, kind: str, obj: Object) -> Object:
    """Return a copy of a built-in object as it is stored: in its wire form, defaults set, quantities canonical.

    Objects of kinds that the table does not hold come back as they are.
    """
    schema = builtin_schema(api_version, kind)
    if schema is None:
        return obj
    result: Object = defaulted(obj, schema)
    result = wire_form(result, schema.reference)
    _walk(result, schema)
    return result


def _walk(value: Any, schema: StructuralSchema) -> Any:
    if isinstance(value, dict):
        for name, item in value.items():
            child = schema.properties.get(name) or schema.values
            if child is not None:
                value[name] = _walk(item, child)
        setter = _DEFAULTS.get(schema.reference)
        if setter is not None:
            setter(value)
    elif isinstance(value, list):
        if schema.items is not None:
            value[:] = [_walk(item, schema.items) for item in value]
    elif schema.constraints.get("format") == "quantity":
        return canonical_quantity(value)
    return value


def _set(obj: Object, **values: Any) -> None:
    for name, value in values.items():
        if obj.get(name) in (None, ""):
            obj[name] = value


def _pod(pod: Object) -> None:
    spec = pod["spec"]
    _set(spec, enableServiceLinks=True)
    for container in [*(spec.get("containers") or ()), *spec.get("initContainers", ())]:
        resources = container.get("resources") or {}
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **resources.get("requests", {})}
        if spec.get("hostNetwork"):
            for port in container.get("ports", ()):
                _set(port, hostPort=port.get("containerPort"))


def _pod_spec(spec: Object) -> None:
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account  # the older name of the same field
    _set(
        spec,
        dnsPolicy="ClusterFirst",
        restartPolicy="Always",
        securityContext={},
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
    )


def _pod_status(status: Object) -> None:
    for one, many in (("podIP", "podIPs"), ("hostIP", "hostIPs")):
        if status.get(one) and not status.get(many):
            status[many] = [{"ip": status[one]}]
        elif status.get(many) and not status.get(one):
            status[one] = status[many][0]["ip"]


def _container(container: Object) -> None:
    tag = container.get("image", "").rpartition("/")[2].partition("@")[0]
    latest = "@" not in container.get("image", "") and (":" not in tag or tag.endswith(":latest"))
    _set(
        container,
        imagePullPolicy="Always" if latest else "IfNotPresent",
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )


def _volume(volume: Object) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def _service_spec(spec: Object) -> None:
    _set(spec, type="ClusterIP", sessionAffinity="None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    else:
        _set(spec, sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10800}})
    if spec["type"] != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        _set(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _set(spec, allocateLoadBalancerNodePorts=True)


def _service_port(port: Object) -> None:
    _set(port, protocol="TCP")
    if port.get("targetPort") in (None, 0, ""):
        port["targetPort"] = port.get("port")


def _endpoint_port(port: Object) -> None:
    _set(port, protocol="TCP")
    port.setdefault("name", "")


def _secret(secret: Object) -> None:
    _set(secret, type="Opaque")
    if plain := secret.pop("stringData", None):
        data = secret.setdefault("data", {})
        data.update({name: base64.b64encode(value.encode()).decode() for name, value in plain.items()})


def _namespace(namespace: Object) -> None:
    metadata = namespace.get("metadata", {})
    if metadata.get("name"):
        metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = metadata["name"]
    _set(namespace.setdefault("status", {}), phase="Active")
    _set(namespace["spec"], finalizers=["kubernetes"])


def _node_status(status: Object) -> None:
    if "capacity" in status:
        status.setdefault("allocatable", dict(status["capacity"]))


def _deployment_spec(spec: Object) -> None:
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), maxUnavailable="25%", maxSurge="25%")


def _replica_set_spec(spec: Object) -> None:
    _set(spec, replicas=1)


def _stateful_set_spec(spec: Object) -> None:
    _set(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        _set(strategy["rollingUpdate"], partition=0)
    _set(spec.setdefault("persistentVolumeClaimRetentionPolicy", {}), whenDeleted="Retain", whenScaled="Retain")


def _volume_claim(claim: Object) -> None:
    """Fill in what a claim has as a template of a StatefulSet; it is no kind of its own here."""
    claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
    _set(claim.setdefault("status", {}), phase="Pending")


def _daemon_set_spec(spec: Object) -> None:
    _set(spec, revisionHistoryLimit=10)
    strategy = spec.setdefault("updateStrategy", {})
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), maxUnavailable=1, maxSurge=0)


def _job_spec(spec: Object) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _set(
        spec,
        parallelism=1,
        backoffLimit=2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
        manualSelector=False,
    )


def _job(job: Object) -> None:
    labels = job.get("spec", {}).get("template", {}).get("metadata", {}).get("labels")
    if labels and not job.get("metadata", {}).get("labels"):
        job.setdefault("metadata", {})["labels"] = labels  # one and the same: what a new Job adds, it adds to both


def _crd_spec(spec: Object) -> None:
    names = spec.get("names", {})
    if names.get("kind"):
        _set(names, singular=names["kind"].lower(), listKind=names["kind"] + "List")
    _set(spec, conversion={"strategy": "None"})


def _webhook(webhook: Object) -> None:
    _set(webhook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
    for name in ("namespaceSelector", "objectSelector"):
        webhook.setdefault(name, {})


def _mutating_webhook(webhook: Object) -> None:
    _webhook(webhook)
    _set(webhook, reinvocationPolicy="Never")


def _values(**values: Any) -> Callable[[Object], None]:
    return lambda obj: _set(obj, **values)


_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "core.v1.Pod": _pod,
    "core.v1.PodSpec": _pod_spec,
    "core.v1.PodStatus": _pod_status,
    "core.v1.Container": _container,
    "core.v1.EphemeralContainer": _container,
    "core.v1.ContainerPort": _values(protocol="TCP"),
    "core.v1.Probe": _values(timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3),
    "core.v1.HTTPGetAction": _values(path="/", scheme="HTTP"),
    "core.v1.GRPCAction": lambda action: action.setdefault("service", ""),
    "core.v1.Volume": _volume,
    "core.v1.SecretVolumeSource": _values(defaultMode=0o644),
    "core.v1.ConfigMapVolumeSource": _values(defaultMode=0o644),
    "core.v1.DownwardAPIVolumeSource": _values(defaultMode=0o644),
    "core.v1.ProjectedVolumeSource": _values(defaultMode=0o644),
    "core.v1.ServiceAccountTokenProjection": _values(expirationSeconds=3600),
    "core.v1.HostPathVolumeSource": lambda source: source.setdefault("type", ""),
    "core.v1.ObjectFieldSelector": _values(apiVersion="v1"),
    "core.v1.PersistentVolumeClaim": _volume_claim,
    "core.v1.PersistentVolumeClaimSpec": _values(volumeMode="Filesystem"),
    "core.v1.Service": lambda service: _service_spec(service["spec"]),
    "core.v1.ServicePort": _service_port,
    "core.v1.EndpointPort": _values(protocol="TCP"),
    "core.v1.Secret": _secret,
    "core.v1.Namespace": _namespace,
    "core.v1.NodeStatus": _node_status,
    "apps.v1.DeploymentSpec": _deployment_spec,
    "apps.v1.ReplicaSetSpec": _replica_set_spec,
    "apps.v1.StatefulSetSpec": _stateful_set_spec,
    "apps.v1.DaemonSetSpec": _daemon_set_spec,
    "batch.v1.JobSpec": _job_spec,
    "batch.v1.Job": _job,
    "discovery.v1.EndpointPort": _endpoint_port,
    "apiextensions.v1.CustomResourceDefinitionSpec": _crd_spec,
    "apiextensions.v1.ServiceReference": _values(port=443),
    "admissionregistration.v1.ServiceReference": _values(port=443),
    "admissionregistration.v1.RuleWithOperations": _values(scope="*"),
    "admissionregistration.v1.ValidatingWebhook": _webhook,
    "admissionregistration.v1.MutatingWebhook": _mutating_webhook,
}
