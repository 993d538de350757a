"""The built-in kinds that controllers meet, read as plain JSON. Plural and scope are given: no discovery."""

from typing import Any, Final

from kaito.core.objects import Kind

POD: Final = Kind[dict[str, Any]]("v1", "Pod", dict, "pods", True)
NODE: Final = Kind[dict[str, Any]]("v1", "Node", dict, "nodes", False)
SERVICE: Final = Kind[dict[str, Any]]("v1", "Service", dict, "services", True)
CONFIG_MAP: Final = Kind[dict[str, Any]]("v1", "ConfigMap", dict, "configmaps", True)
SECRET: Final = Kind[dict[str, Any]]("v1", "Secret", dict, "secrets", True)
NAMESPACE: Final = Kind[dict[str, Any]]("v1", "Namespace", dict, "namespaces", False)
SERVICE_ACCOUNT: Final = Kind[dict[str, Any]]("v1", "ServiceAccount", dict, "serviceaccounts", True)
ENDPOINTS: Final = Kind[dict[str, Any]]("v1", "Endpoints", dict, "endpoints", True)
EVENT: Final = Kind[dict[str, Any]]("v1", "Event", dict, "events", True)
LEASE: Final = Kind[dict[str, Any]]("coordination.k8s.io/v1", "Lease", dict, "leases", True)
DEPLOYMENT: Final = Kind[dict[str, Any]]("apps/v1", "Deployment", dict, "deployments", True)
REPLICA_SET: Final = Kind[dict[str, Any]]("apps/v1", "ReplicaSet", dict, "replicasets", True)
STATEFUL_SET: Final = Kind[dict[str, Any]]("apps/v1", "StatefulSet", dict, "statefulsets", True)
CONTROLLER_REVISION: Final = Kind[dict[str, Any]]("apps/v1", "ControllerRevision", dict, "controllerrevisions", True)
JOB: Final = Kind[dict[str, Any]]("batch/v1", "Job", dict, "jobs", True)
POD_DISRUPTION_BUDGET: Final = Kind[dict[str, Any]](
    "policy/v1", "PodDisruptionBudget", dict, "poddisruptionbudgets", True
)
ENDPOINT_SLICE: Final = Kind[dict[str, Any]]("discovery.k8s.io/v1", "EndpointSlice", dict, "endpointslices", True)
CUSTOM_RESOURCE_DEFINITION: Final = Kind[dict[str, Any]](
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", dict, "customresourcedefinitions", False
)
VALIDATING_WEBHOOK_CONFIGURATION: Final = Kind[dict[str, Any]](
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    dict,
    "validatingwebhookconfigurations",
    False,
)
MUTATING_WEBHOOK_CONFIGURATION: Final = Kind[dict[str, Any]](
    "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", dict, "mutatingwebhookconfigurations", False
)

BUILT_IN: Final = (
    POD,
    NODE,
    SERVICE,
    CONFIG_MAP,
    SECRET,
    NAMESPACE,
    SERVICE_ACCOUNT,
    ENDPOINTS,
    EVENT,
    LEASE,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    CONTROLLER_REVISION,
    JOB,
    POD_DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    CUSTOM_RESOURCE_DEFINITION,
    VALIDATING_WEBHOOK_CONFIGURATION,
    MUTATING_WEBHOOK_CONFIGURATION,
)
"""All of the above."""
