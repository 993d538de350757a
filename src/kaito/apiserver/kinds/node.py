"""Nodes and their Leases: a new node takes no pods until it has reported, and no taint is there twice."""

from kaito.apiserver.schema import Cause, FieldError, invalid
from kaito.core.objects import Object

_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def validate_lease(lease: Object) -> list[FieldError]:
    """Return what is wrong with the numbers of a Lease."""
    spec = lease["spec"]
    errors = []
    if spec.get("leaseDurationSeconds") is not None and spec["leaseDurationSeconds"] <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0"))
    if spec.get("leaseTransitions") is not None and spec["leaseTransitions"] < 0:
        detail = "must be greater than or equal to 0"
        errors.append(invalid("spec.leaseTransitions", spec["leaseTransitions"], detail))
    return errors


def begin_node(node: Object) -> None:
    """Taint a new node as the admission plug-in TaintNodesByCondition does; whoever sees it Ready takes that away."""
    taints = node["spec"].setdefault("taints", [])
    if not any(all(taint.get(name) == value for name, value in _NOT_READY.items()) for taint in taints):
        taints.append(dict(_NOT_READY))


def validate_node(node: Object) -> list[FieldError]:
    """Return an error for each taint whose key and effect another one has."""
    seen: set[tuple[str, str]] = set()
    errors = []
    for index, taint in enumerate(node["spec"].get("taints") or ()):
        pair = (taint.get("key", ""), taint.get("effect", ""))
        if pair in seen:
            value = {"Key": pair[0], "Value": taint.get("value", ""), "Effect": pair[1], "TimeAdded": None}
            detail = "taints must be unique by key and effect pair"
            errors.append(FieldError(Cause.DUPLICATE, f"metadata.taints[{index}]", value, detail))
        seen.add(pair)
    return errors
