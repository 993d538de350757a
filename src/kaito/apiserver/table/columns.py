"""Column definitions, and the columns of every built-in kind in the order of its cells."""

from typing import Any

Column = dict[str, Any]


def column(name: str, kind: str = "string", priority: int = 0, description: str = "", value_format: str = "") -> Column:
    """Return a `metav1.TableColumnDefinition`; a priority above 0 shows with `-o wide` alone."""
    return {"name": name, "type": kind, "format": value_format, "description": description, "priority": priority}


NAME = column("Name", description="Name must be unique within a namespace.", value_format="name")
AGE = column("Age", description="Time since the object was created.")


def _columns(*names: str) -> list[Column]:
    """Read `Ready`, `Desired#` (an integer) and `IP+` (wide)."""
    result = []
    for name in names:
        plain = name.rstrip("#+")
        known = {"Name": NAME, "Age": AGE}.get(name)
        result.append(known or column(plain, "integer" if "#" in name else "string", int("+" in name)))
    return result


_WORKLOAD = ("Containers+", "Images+", "Selector+")
BUILTIN_COLUMNS: dict[str, list[Column]] = {
    "Pod": _columns(
        "Name", "Ready", "Status", "Restarts", "Age", "IP+", "Node+", "Nominated Node+", "Readiness Gates+"
    ),
    "Node": _columns(
        *("Name", "Status", "Roles", "Age", "Version", "Internal-IP+", "External-IP+", "OS-Image+"),
        *("Kernel-Version+", "Container-Runtime+"),
    ),
    "Service": _columns("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector+"),
    "Deployment": _columns("Name", "Ready", "Up-to-date", "Available", "Age", *_WORKLOAD),
    "ReplicaSet": _columns("Name", "Desired#", "Current#", "Ready#", "Age", *_WORKLOAD),
    "StatefulSet": _columns("Name", "Ready", "Age", "Containers+", "Images+"),
    "ControllerRevision": _columns("Name", "Controller", "Revision#", "Age"),
    "DaemonSet": _columns(
        "Name", "Desired#", "Current#", "Ready#", "Up-to-date#", "Available#", "Node Selector", "Age", *_WORKLOAD
    ),
    "Job": _columns("Name", "Status", "Completions", "Duration", "Age", *_WORKLOAD),
    "Event": [
        *_columns("Last Seen", "Type", "Reason", "Object", "Subobject+", "Source+", "Message", "First Seen+", "Count+"),
        {**NAME, "priority": 1},
    ],
    "Endpoints": _columns("Name", "Endpoints", "Age"),
    "EndpointSlice": _columns("Name", "AddressType", "Ports", "Endpoints", "Age"),
    "ConfigMap": _columns("Name", "Data", "Age"),
    "Secret": _columns("Name", "Type", "Data", "Age"),
    "Namespace": _columns("Name", "Status", "Age"),
    "ServiceAccount": _columns("Name", "Secrets", "Age"),
    "PodDisruptionBudget": _columns("Name", "Min Available", "Max Unavailable", "Allowed Disruptions#", "Age"),
    "Lease": _columns("Name", "Holder", "Age"),
    "CustomResourceDefinition": _columns("Name", "Created At"),
    "ValidatingWebhookConfiguration": _columns("Name", "Webhooks#", "Age"),
    "MutatingWebhookConfiguration": _columns("Name", "Webhooks#", "Age"),
}
GENERIC_COLUMNS = [NAME, AGE]
