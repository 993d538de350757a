"""PodDisruptionBudgets: what they may say, and what an eviction asks of them.

Source: Kubernetes' `pkg/apis/policy/validation` and `pkg/registry/core/pod/storage/eviction.go`.
"""

from datetime import datetime

from kaito.apiserver.schema import FieldError, invalid, not_supported
from kaito.core.clock import timestamp
from kaito.core.objects import Object
from kaito.core.selectors import Selector

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_MOST_DISRUPTED_PODS = 2000


def begin_budget(budget: Object) -> None:
    """Write the status of a new budget: nothing is known of its pods, so nothing is allowed."""
    names = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    budget["status"] = dict.fromkeys(names, 0)


def validate_budget(budget: Object) -> list[FieldError]:
    """Return what is wrong with the numbers of a budget."""
    spec = budget.get("spec") or {}
    errors = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        names = ("MinAvailable", "Selector", "MaxUnavailable", "UnhealthyPodEvictionPolicy")
        value = {name: spec.get(name[0].lower() + name[1:]) for name in names}
        errors.append(invalid("spec", value, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        if spec.get(name) is not None:
            errors += _amount_errors(f"spec.{name}", spec[name])
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    return errors


def _amount_errors(field: str, value: int | str) -> list[FieldError]:
    if isinstance(value, int):
        return [invalid(field, value, "must be greater than or equal to 0")] if value < 0 else []
    share = value.removesuffix("%")
    if share == value or not share.isdigit():
        words = "a valid percent string must be a numeric string followed by an ending '%'"
        return [invalid(field, value, f"{words} (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')")]
    return [invalid(field, value, "must not be greater than 100%")] if int(share) > 100 else []


def covers(budget: Object, pod: Object) -> bool:
    """Whether a budget selects a pod; one without a selector selects none."""
    selector = (budget.get("spec") or {}).get("selector")
    if selector is None:
        return False
    return Selector.from_label_selector(selector).matches(pod["metadata"].get("labels") or {})


def needs_no_budget(pod: Object) -> bool:
    """Whether a pod may be evicted whatever its budgets say: it serves nobody, or goes already."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def spends_nothing(budget: Object, pod: Object) -> bool:
    """Whether a pod that is not ready may be evicted without a disruption."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    if any(item["type"] == "Ready" and item["status"] == "True" for item in conditions):
        return False
    status = budget.get("status") or {}
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0)


def refusal(budget: Object) -> str:
    """Return why a budget allows no disruption now; empty when it does."""
    metadata, status = budget["metadata"], budget.get("status") or {}
    name, allowed = metadata["name"], status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        return f"The disruption budget {name} is still being processed by the server."
    if len(status.get("disruptedPods") or ()) > _MOST_DISRUPTED_PODS:
        return "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
    if allowed > 0:
        return ""
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"


def spend(budget: Object, pod: Object, now: datetime) -> None:
    """Take one disruption from a budget, for a pod; its controller counts anew when the pod has gone."""
    status = budget["status"]
    status["disruptionsAllowed"] -= 1
    status.setdefault("disruptedPods", {})[pod["metadata"]["name"]] = timestamp(now)
    if status["disruptionsAllowed"] == 0:
        for condition in status.get("conditions") or ():
            if condition["type"] == "DisruptionAllowed" and condition["status"] != "False":
                condition |= {"status": "False", "reason": "InsufficientPods", "lastTransitionTime": timestamp(now)}
