"""What a Job's podFailurePolicy and successPolicy say. Pure.

Source: Kubernetes' `pkg/controller/job/{pod_failure_policy,success_policy}.go`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from kaito.core import Object
from kaito.local.controllers.job.indexes import parse_indexes


class Verdict(NamedTuple):
    """What a failed pod means: whether it counts against the back-off limit, and why the Job fails if it does."""

    counts: bool = True
    fails_job: str = ""


def verdict(job: Object, pod: Object) -> Verdict:
    """Return what the first matching rule says about a failed pod; without one it counts."""
    for place, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        why = _exit_code(rule, pod) or _pod_condition(rule, pod)
        if not why:
            continue
        match rule["action"]:
            case "Ignore":
                return Verdict(counts=False)
            case "FailJob":
                return Verdict(fails_job=f"{why} matching FailJob rule at index {place}")
            case _:
                return Verdict()
    return Verdict()


def _exit_code(rule: Object, pod: Object) -> str:
    wanted = rule.get("onExitCodes")
    if not wanted:
        return ""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    for one in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        ended = (one.get("state") or {}).get("terminated")
        if wanted.get("containerName") not in (None, one["name"]) or not ended or ended["exitCode"] == 0:
            continue
        if (ended["exitCode"] in wanted["values"]) == (wanted["operator"] == "In"):
            where = f"{metadata['namespace']}/{metadata['name']}"
            return f"Container {one['name']} for pod {where} failed with exit code {ended['exitCode']}"
    return ""


def _pod_condition(rule: Object, pod: Object) -> str:
    metadata = pod["metadata"]
    for wanted in rule.get("onPodConditions") or ():
        for one in (pod.get("status") or {}).get("conditions") or ():
            if one["type"] == wanted["type"] and one["status"] == wanted.get("status", "True"):
                return f"Pod {metadata['namespace']}/{metadata['name']} has condition {one['type']}"
    return ""


def success(job: Object, succeeded: Iterable[int]) -> str:
    """Return which rule of the successPolicy the succeeded indexes meet, as a message; empty when they meet none."""
    done = set(succeeded)
    for place, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        wanted = parse_indexes(rule["succeededIndexes"]) if rule.get("succeededIndexes") else None
        counted = done if wanted is None else done & wanted
        needed = rule.get("succeededCount")
        if needed is None:
            needed = len(wanted or ())
        if needed and len(counted) >= needed:
            return f"Matched rules at index {place}"
    return ""
