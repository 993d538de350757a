"""Made-up objects as a real server sends them: metadata with managedFields, 1 to 10 KB, each with text of its own.

A family is one template; an object of it is the template with its name, version and time filled in, which takes a
microsecond or two. So a hundred thousand Pods cost the server next to nothing.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson

NAMESPACE: Final = "default"
AT: Final = "bench/at"
"""Annotation with the wall clock of the last change, in seconds: what latencies are counted from."""
DIGEST: Final = "bench/digest"
ROLE: Final = "bench/role"
DERIVED: Final = "-derived"
"""Suffix of the name of an owned object."""
CREATED: Final = "2026-01-01T00:00:00Z"
_OWNED: Final[dict[str, Any]] = {}
"""What managedFields say of a leaf."""


@dataclass(frozen=True)
class Family:
    """Objects of one resource that look alike."""

    api_version: str
    kind: str
    plural: str
    template: bytes
    payload: int = 0

    @property
    def path(self) -> str:
        """Where the resource is served."""
        return f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}/{self.plural}"

    def render(self, name: str, version: int, at: float) -> bytes:
        """Return the JSON of one object."""
        primary = name.removesuffix(DERIVED)
        text = payload(primary, self.payload) if self.payload else ""
        fields = {
            b"name": name.encode(),
            b"uid": uid(name).encode(),
            b"primary": primary.encode(),
            b"primary_uid": uid(primary).encode(),
            b"version": b"%d" % version,
            b"at": b"%.6f" % at,
            b"payload": text.encode(),
            b"digest": digest(text).encode() if text else b"",
        }
        return self.template % fields


def payload(name: str, size: int) -> str:
    """Return text that no other name has."""
    return hashlib.shake_256(name.encode()).hexdigest(size // 2)


def digest(text: str) -> str:
    """Return what the peers compute of a payload."""
    return hashlib.sha256(text.encode()).hexdigest()


def uid(name: str) -> str:
    """Return the uid of the object with this name."""
    text = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _template(obj: dict[str, Any]) -> bytes:
    """Return the object as a bytes template; `<name>` in its strings is filled in, `"<n:version>"` becomes a number."""
    text = orjson.dumps(obj).replace(b"%", b"%%")
    for field in (b"name", b"uid", b"primary", b"primary_uid", b"version", b"at", b"payload", b"digest"):
        text = text.replace(b'"<n:%b>"' % field, b"%%(%b)b" % field).replace(b"<%b>" % field, b"%%(%b)b" % field)
    return text


def _managed(fields: dict[str, Any], *managers: str) -> list[dict[str, Any]]:
    return [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": "v1",
            "time": CREATED,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        for manager in managers
    ]


def _metadata(role: str, fields: dict[str, Any], *managers: str) -> dict[str, Any]:
    return {
        "name": "<name>",
        "namespace": NAMESPACE,
        "uid": "<uid>",
        "resourceVersion": "<version>",
        "generation": "<n:version>",
        "creationTimestamp": CREATED,
        "labels": {"app.kubernetes.io/name": "bench", "app.kubernetes.io/instance": "<name>", ROLE: role},
        "annotations": {AT: "<at>"},
        "managedFields": _managed(fields, *managers),
    }


@cache
def config_maps() -> Family:
    """Primary ConfigMaps of 2 KiB, each with the digest of its payload as an annotation: nothing is left to do."""
    metadata = _metadata("primary", {"f:data": {".": {}, "f:payload": {}}}, "bench")
    metadata["annotations"][DIGEST] = "<digest>"
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"payload": "<payload>"}}
    return Family("v1", "ConfigMap", "configmaps", _template(obj), payload=2048)


@cache
def derived_config_maps() -> Family:
    """ConfigMaps that the primary ones own, as the peers' workload would have written them."""
    metadata = _metadata("derived", {"f:data": {".": {}, "f:digest": {}}}, "bench")
    metadata["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "<primary>",
            "uid": "<primary_uid>",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"digest": "<digest>"}}
    return Family("v1", "ConfigMap", "configmaps", _template(obj), payload=2048)


@cache
def widgets() -> Family:
    """Custom objects of 1.2 KB."""
    names: dict[str, dict[str, str]] = {
        f"f:{field}": {} for field in ("image", "replicas", "template", "paused", "endpoint")
    }
    obj = {
        "apiVersion": "bench.example.com/v1",
        "kind": "Widget",
        "metadata": _metadata("primary", {"f:spec": {".": {}, **names}}, "kubectl-client-side-apply"),
        "spec": {
            "image": "registry.example.com/bench/widget:1.2.3",
            "replicas": "<n:version>",
            "paused": False,
            "endpoint": "https://<name>.example.com/v1/<uid>",
            "template": {"cpu": "500m", "memory": "1Gi", "arguments": ["--name=<name>", "--verbose", "--port=8080"]},
        },
        "status": {
            "observedGeneration": "<n:version>",
            "conditions": [
                {"type": kind, "status": "True", "reason": "AsExpected", "message": "", "lastTransitionTime": CREATED}
                for kind in ("Ready", "Available")
            ],
        },
    }
    return Family("bench.example.com/v1", "Widget", "widgets", _template(obj))


@cache
def pods() -> Family:
    """Pods of 10 KB, managedFields included."""
    environment = [{"name": f"SETTING_{n}", "value": f"value-{n}-of-<name>"} for n in range(34)]
    container = {
        "name": "main",
        "image": "registry.example.com/team/service:2026.01.31-<uid>",
        "args": [f"--flag-{n}=value-{n}" for n in range(12)],
        "env": environment,
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "1", "memory": "2Gi"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http", "scheme": "HTTP"}, "periodSeconds": 5},
        "volumeMounts": [{"name": f"volume-{n}", "mountPath": f"/mnt/{n}", "readOnly": True} for n in range(6)],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    fields: dict[str, Any] = {
        f'f:k:{{"name":"SETTING_{n}"}}': {".": {}, "f:name": {}, "f:value": {}} for n in range(34)
    }
    managed = {"f:spec": {"f:containers": {'k:{"name":"main"}': {".": {}, "f:env": {".": {}, **fields}}}}}
    conditions = ("Initialized", "Ready", "ContainersReady", "PodScheduled", "PodReadyToStartContainers")
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata("primary", managed, "kube-controller-manager"),
        "spec": {
            "containers": [container, {**container, "name": "sidecar", "env": environment[:8]}],
            "volumes": [{"name": f"volume-{n}", "configMap": {"name": f"<name>-{n}"}} for n in range(6)],
            "nodeName": "node-<uid>",
            "serviceAccountName": "default",
            "restartPolicy": "Always",
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": c, "status": "True", "lastTransitionTime": CREATED} for c in conditions],
            "containerStatuses": [
                {
                    "name": name,
                    "ready": True,
                    "restartCount": 0,
                    "image": "registry.example.com/team/service:2026.01.31",
                    "imageID": "registry.example.com/team/service@sha256:<uid>",
                    "containerID": "containerd://<uid>",
                    "state": {"running": {"startedAt": CREATED}},
                }
                for name in ("main", "sidecar")
            ],
        },
    }
    return Family("v1", "Pod", "pods", _template(obj))


FAMILIES: Final = {
    "configmaps": config_maps,
    "derived": derived_config_maps,
    "widgets": widgets,
    "pods": pods,
}
"""What the server can be asked to make up, by the name used on its command line."""
