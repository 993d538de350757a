"""A Job's pods: how they are made, and when they have failed. Pure.

Source: Kubernetes' `pkg/controller/job/{job_controller,tracking_utils,indexed_job_utils}.go`.
"""

import copy
from collections.abc import Sequence
from datetime import datetime

from kaito.core import Object
from kaito.core.clock import parse_timestamp
from kaito.core.conditions import condition
from kaito.core.kinds import JOB
from kaito.local.controllers.job.indexes import COMPLETION_INDEX
from kaito.local.controllers.pod_template import pod_of_template
from kaito.local.controllers.pods import is_terminating

TRACKING = "batch.kubernetes.io/job-tracking"
"""Finalizer of each pod of a Job until it is counted."""

JOB_NAME = "batch.kubernetes.io/job-name"
_NAME_ROOM = 63 - 5 - 1
"""How much of a generated name is not the random end."""


def tracked(pod: Object) -> bool:
    """Whether the pod still waits to be counted."""
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def phase(pod: Object) -> str:
    """Return the pod's phase, empty before its node has spoken."""
    return str((pod.get("status") or {}).get("phase") or "")


def has_failed(pod: Object, spec: Object) -> bool:
    """Whether the pod counts as a failure.

    One that is being deleted does, unless the Job replaces only what has ended (`podReplacementPolicy: Failed`).
    """
    if phase(pod) == "Failed":
        return True
    if spec.get("podReplacementPolicy") == "Failed":
        return is_terminating(pod) and phase(pod) == "Pending"
    return is_terminating(pod) and phase(pod) != "Succeeded"


def finished_at(pod: Object) -> datetime | None:
    """Return when the last container of an ended pod ended, or None when nobody has written that down."""
    status = pod.get("status") or {}
    ends = [
        (one.get("state") or {}).get("terminated", {}).get("finishedAt")
        for one in status.get("containerStatuses") or ()
    ]
    if ends and all(ends):
        return max(parse_timestamp(end) for end in ends)
    ready = condition(status, "Ready") or {}
    written = pod["metadata"].get("deletionTimestamp") or ready.get("lastTransitionTime")
    return parse_timestamp(written) if written else None


def pod_from(job: Object, index: int | None) -> Object:
    """Return a new pod of the Job's template, for a completion index when the Job is indexed."""
    pod = pod_of_template(copy.deepcopy(job["spec"]["template"]), job, JOB)
    metadata, spec = pod["metadata"], pod["spec"]
    metadata["finalizers"] = [*metadata.get("finalizers", ()), TRACKING]
    if index is not None:
        name = job["metadata"]["name"]
        metadata["generateName"] = f"{name[: _NAME_ROOM - len(str(index)) - 1]}-{index}-"
        metadata["labels"][COMPLETION_INDEX] = str(index)
        metadata.setdefault("annotations", {})[COMPLETION_INDEX] = str(index)
        _know_index(spec)
        spec.setdefault("hostname", f"{name}-{index}")
    return pod


def _know_index(spec: Object) -> None:
    """Tell every container its index."""
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
    for container in _containers(spec):
        variables = container.setdefault("env", [])
        if not any(variable.get("name") == "JOB_COMPLETION_INDEX" for variable in variables):
            variables.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})


def _containers(spec: Object) -> Sequence[Object]:
    return [*(spec.get("initContainers") or ()), *spec["containers"]]
