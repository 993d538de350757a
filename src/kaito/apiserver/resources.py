"""What is served: one `Resource` per group, version and plural, and the table of the built-in ones."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kaito.core.objects import Object


class GroupVersion(NamedTuple):
    """An API group and version; the core group is empty."""

    group: str
    version: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """URL path below which its resources lie, without a leading slash."""
        return f"apis/{self.group}/{self.version}" if self.group else f"api/{self.version}"


@dataclass(frozen=True)
class ScalePaths:
    """Where the scale subresource finds its three fields (dotted JSON paths, without the leading dot)."""

    spec_replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    label_selector: str = ""


@dataclass(frozen=True)
class CustomVersion:
    """What a CRD says about one served version."""

    storage_version: str
    printer_columns: tuple[Object, ...] = ()
    selectable_fields: tuple[str, ...] = ()
    deprecation_warning: str = ""


@dataclass(frozen=True)
class Resource:
    """One resource of the API.

    `storage` names the objects' place in the store: two resources with the same storage show the same objects.
    `subresources` beside `status` and `scale` are served for pods and namespaces. `schema` is a `StructuralSchema`.
    """

    gv: GroupVersion
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    storage: str = ""
    list_kind: str = ""
    custom: CustomVersion | None = None
    scale: ScalePaths | None = None
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    schema: Any = field(default=None, compare=False)

    @property
    def group(self) -> str:
        """API group."""
        return self.gv.group

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone for the core group."""
        return str(self.gv)

    @property
    def storage_key(self) -> str:
        """Name of the resource in the store."""
        return self.storage or (f"{self.group}/{self.plural}" if self.group else self.plural)

    @property
    def list_kind_name(self) -> str:
        """Kind of a list of these."""
        return self.list_kind or f"{self.kind}List"

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own subresource."""
        return "status" in self.subresources


_SCALE = ScalePaths(label_selector="spec.selector")
_CORE, _APPS, _BATCH = GroupVersion("", "v1"), GroupVersion("apps", "v1"), GroupVersion("batch", "v1")
_WORKLOAD = ("status", "scale")


def _builtin(gv: GroupVersion, plural: str, kind: str, short: str = "", **more: Any) -> Resource:
    return Resource(gv, plural, kind, singular=kind.lower(), short_names=tuple(short.split()), **more)


BUILTIN_RESOURCES: tuple[Resource, ...] = (
    _builtin(_CORE, "namespaces", "Namespace", "ns", namespaced=False, subresources=("status",)),
    _builtin(_CORE, "nodes", "Node", "no", namespaced=False, subresources=("status",)),
    _builtin(
        _CORE,
        "pods",
        "Pod",
        "po",
        categories=("all",),
        subresources=("status", "log", "binding", "eviction", "exec", "attach", "portforward"),
    ),
    _builtin(_CORE, "services", "Service", "svc", categories=("all",), subresources=("status",)),
    _builtin(_CORE, "endpoints", "Endpoints", "ep"),
    _builtin(_CORE, "configmaps", "ConfigMap", "cm"),
    _builtin(_CORE, "secrets", "Secret"),
    _builtin(_CORE, "events", "Event", "ev"),
    _builtin(_CORE, "serviceaccounts", "ServiceAccount", "sa", subresources=("token",)),
    _builtin(_APPS, "deployments", "Deployment", "deploy", categories=("all",), subresources=_WORKLOAD, scale=_SCALE),
    _builtin(_APPS, "replicasets", "ReplicaSet", "rs", categories=("all",), subresources=_WORKLOAD, scale=_SCALE),
    _builtin(_APPS, "statefulsets", "StatefulSet", "sts", categories=("all",), subresources=_WORKLOAD, scale=_SCALE),
    _builtin(_APPS, "daemonsets", "DaemonSet", "ds", categories=("all",), subresources=("status",)),
    _builtin(_APPS, "controllerrevisions", "ControllerRevision"),
    _builtin(_BATCH, "jobs", "Job", categories=("all",), subresources=("status",)),
    _builtin(
        GroupVersion("policy", "v1"), "poddisruptionbudgets", "PodDisruptionBudget", "pdb", subresources=("status",)
    ),
    _builtin(GroupVersion("coordination.k8s.io", "v1"), "leases", "Lease"),
    _builtin(GroupVersion("discovery.k8s.io", "v1"), "endpointslices", "EndpointSlice"),
    _builtin(GroupVersion("events.k8s.io", "v1"), "events", "Event", "ev", storage="events"),
    _builtin(
        GroupVersion("apiextensions.k8s.io", "v1"),
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "crd crds",
        namespaced=False,
        categories=("api-extensions",),
        subresources=("status",),
    ),
    _builtin(
        GroupVersion("admissionregistration.k8s.io", "v1"),
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
    ),
    _builtin(
        GroupVersion("admissionregistration.k8s.io", "v1"),
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        namespaced=False,
        categories=("api-extensions",),
    ),
    _builtin(
        GroupVersion("authorization.k8s.io", "v1"),
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=("create",),
    ),
    _builtin(
        GroupVersion("authorization.k8s.io", "v1"),
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        namespaced=False,
        verbs=("create",),
    ),
    _builtin(
        GroupVersion("authentication.k8s.io", "v1"),
        "selfsubjectreviews",
        "SelfSubjectReview",
        namespaced=False,
        verbs=("create",),
    ),
)
"""Everything served without a CRD; events of both groups are the same objects."""
