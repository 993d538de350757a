"""What the built-in controllers ask of a Pod. Names follow Kubernetes' `pkg/api/pod` and `pkg/controller`."""

from datetime import datetime, timedelta

from kaito.core import Object
from kaito.core.clock import parse_timestamp
from kaito.core.conditions import condition

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})


def is_terminal(pod: Object) -> bool:
    """Whether the pod has ended and holds no resources any more."""
    return (pod.get("status") or {}).get("phase") in TERMINAL_PHASES


def is_terminating(pod: Object) -> bool:
    """Whether the pod is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_active(pod: Object) -> bool:
    """Whether the pod counts as a replica: neither ended nor being deleted."""
    return not is_terminal(pod) and not is_terminating(pod)


def is_ready(pod: Object) -> bool:
    """Whether the Ready condition is True."""
    found = condition(pod.get("status") or {}, "Ready")
    return found is not None and found.get("status") == "True"


def ready_since(pod: Object) -> datetime | None:
    """Return when the pod became ready, or None while it is not."""
    found = condition(pod.get("status") or {}, "Ready")
    if found is None or found.get("status") != "True" or not found.get("lastTransitionTime"):
        return None
    return parse_timestamp(found["lastTransitionTime"])


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Whether the pod has been ready for `min_ready_seconds`."""
    if not is_ready(pod):
        return False
    if min_ready_seconds <= 0:
        return True
    since = ready_since(pod)
    return since is not None and since + timedelta(seconds=min_ready_seconds) <= now


def node_name(pod: Object) -> str:
    """Return the node that the pod is bound to, or an empty string."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def restarts(pod: Object) -> int:
    """Return the restarts of the container that restarted most."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(status.get("restartCount") or 0) for status in statuses), default=0)
