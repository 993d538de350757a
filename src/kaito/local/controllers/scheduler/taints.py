"""Taints and tolerations. Pure. Source: Kubernetes' `component-helpers/scheduling/corev1/helpers.go`."""

from collections.abc import Sequence

from kaito.core import Object
from kaito.core.conditions import condition

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether one toleration covers one taint."""
    effect = toleration.get("effect")
    if effect and effect != taint.get("effect"):
        return False
    key = toleration.get("key")
    if key and key != taint.get("key"):
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")
    return False


def untolerated(taints: Sequence[Object], tolerations: Sequence[Object], effects: frozenset[str]) -> Object | None:
    """Return the first taint of one of `effects` that no toleration covers, or None."""
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(one, taint) for one in tolerations):
            return taint
    return None


def effective_taints(node: Object) -> list[Object]:
    """Return the node's taints, with not-ready added while its Ready condition is not True.

    Kubernetes' admission adds that taint at registration; here the scheduler reads it from the condition, so that no
    pod slips onto a node in between.
    """
    taints = list((node.get("spec") or {}).get("taints") or ())
    ready = condition(node.get("status") or {}, "Ready")
    known = any(taint.get("key") in (NOT_READY, UNREACHABLE) for taint in taints)
    if not known and (ready is None or ready.get("status") != "True"):
        taints.append({"key": NOT_READY, "effect": "NoSchedule"})
    return taints
