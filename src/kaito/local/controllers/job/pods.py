"""A Job's pods: how they are made, and when they have failed. Pure.

Source: Kubernetes' `pkg/controller/job/{job_controller,tracking_utils,indexed_job_utils}.go`.
"""

import copy
from collections.abc import Sequence
from datetime import datetime

from kaito.core import Object, owner_reference
from kaito.core.clock import parse_timestamp
from kaito.local.controllers.conditions import condition
from kaito.local.controllers.job.indexes import COMPLETION_INDEX
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
    template = copy.deepcopy(job["spec"]["template"])
    metadata = template.get("metadata") or {}
    labels, annotations = dict(metadata.get("labels") or {}), dict(metadata.get("annotations") or {})
    spec, prefix = template["spec"], job["metadata"]["name"]
    if index is not None:
        labels[COMPLETION_INDEX] = annotations[COMPLETION_INDEX] = str(index)
        _know_index(spec)
        prefix = f"{prefix[: _NAME_ROOM - len(str(index)) - 1]}-{index}"
        spec.setdefault("hostname", f"{job['metadata']['name']}-{index}")
    result: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{prefix}-",
            "namespace": job["metadata"]["namespace"],
            "labels": labels,
            "finalizers": [*(metadata.get("finalizers") or ()), TRACKING],
            "ownerReferences": [owner_reference({"apiVersion": "batch/v1", "kind": "Job", **job})],
        },
        "spec": spec,
    }
    if annotations:
        result["metadata"]["annotations"] = annotations
    return result


def _know_index(spec: Object) -> None:
    """Tell every container its index."""
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
    for container in _containers(spec):
        variables = container.setdefault("env", [])
        if not any(variable.get("name") == "JOB_COMPLETION_INDEX" for variable in variables):
            variables.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})


def _containers(spec: Object) -> Sequence[Object]:
    return [*(spec.get("initContainers") or ()), *spec["containers"]]
