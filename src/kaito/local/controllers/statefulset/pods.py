"""A StatefulSet's pods: each has an ordinal, the name that comes of it, and a revision. Pure.

Source: Kubernetes' `pkg/controller/statefulset/stateful_set_utils.go`.
"""

import copy
import re
from collections.abc import Sequence
from datetime import datetime

from kaito.core import Object
from kaito.core.kinds import STATEFUL_SET
from kaito.local.controllers.pod_template import pod_of_template
from kaito.local.controllers.pods import is_available, is_ready, is_terminating

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
REVISION = "controller-revision-hash"


def ordinal(name: str, pod: Object) -> int | None:
    """Return the ordinal of a pod of the set `name`; None for a pod of another name."""
    found = re.fullmatch(re.escape(name) + r"-(0|[1-9][0-9]*)", pod["metadata"]["name"])
    return int(found[1]) if found else None


def ordinals(spec: Object) -> range:
    """Return the ordinals that the set asks for."""
    start = int((spec.get("ordinals") or {}).get("start") or 0)
    replicas = spec.get("replicas")
    return range(start, start + (1 if replicas is None else int(replicas)))


def revision(pod: Object) -> str:
    """Return the revision that a pod was made from."""
    return str((pod["metadata"].get("labels") or {}).get(REVISION) or "")


def is_running_and_ready(pod: Object) -> bool:
    """Whether the pod runs and is ready, terminating or not."""
    return (pod.get("status") or {}).get("phase") == "Running" and is_ready(pod)


def is_healthy(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Whether its successor may come, or its predecessor be replaced: available, and meant to stay."""
    ready = is_running_and_ready(pod) and is_available(pod, min_ready_seconds, now)
    return ready and not is_terminating(pod)


def pod_from(stateful_set: Object, template: Object, number: int, revision_name: str) -> Object:
    """Return the pod of an ordinal, from the template of a revision."""
    pod = pod_of_template(copy.deepcopy(template), stateful_set, STATEFUL_SET)
    name = f"{stateful_set['metadata']['name']}-{number}"
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"] |= {POD_NAME: name, POD_INDEX: str(number), REVISION: revision_name}
    pod["spec"]["hostname"] = name
    if stateful_set["spec"].get("serviceName"):
        pod["spec"]["subdomain"] = stateful_set["spec"]["serviceName"]
    return pod


def by_ordinal(stateful_set: Object, pods: Sequence[Object]) -> dict[int, Object]:
    """Return the pods of the set by their ordinals, lowest first."""
    name = stateful_set["metadata"]["name"]
    numbered = [(number, pod) for pod in pods if (number := ordinal(name, pod)) is not None]
    return dict(sorted(numbered, key=lambda item: item[0]))
