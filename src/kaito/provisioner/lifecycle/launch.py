"""Launched: the cloud has given an instance, or has said why not."""

from dataclasses import replace
from datetime import timedelta

from kaito.api.machine import LAUNCHED, Machine
from kaito.core.clock import timestamp
from kaito.core.errors import KaitoError
from kaito.provisioner.clouds import Claim, Instance, InsufficientCapacityError, QuotaExceededError
from kaito.provisioner.lifecycle.progress import Notice, Progress, Refusal
from kaito.provisioner.limits import Limits


def claim_of(machine: Machine, instance_type_label: str) -> Claim:
    """Return what the cloud is asked for."""
    return Claim(
        name=machine.metadata.name,
        instance_types=machine.required(instance_type_label),
        labels=machine.metadata.labels,
        annotations=machine.metadata.annotations,
        requirements=machine.spec.requirements,
        taints=machine.spec.taints,
        requests=machine.spec.resources.requests,
    )


def retry_seconds(error: KaitoError, attempts: int, limits: Limits) -> float | None:
    """Return how long to wait before the next try; None when only a change of the claim or the cloud helps.

    `attempts` counts the tries made so far, at least 1.
    """
    if isinstance(error, QuotaExceededError):
        return limits.quota_retry
    if error.terminal:
        return None
    if error.retry_after is not None:
        return error.retry_after
    return float(min(limits.capacity_retry * 2 ** min(attempts - 1, 16), limits.capacity_retry_most))


def launch(at: Progress) -> Progress:
    """Write down the cloud's answer, if it was asked in this reconcile."""
    if isinstance(at.launch, Instance):
        return _launched(at, at.launch)
    if isinstance(at.launch, Refusal):
        return _refused(at, at.launch)
    return at


def _launched(at: Progress, instance: Instance) -> Progress:
    """Take over what the cloud says about the instance; a label of the claim itself wins over the cloud's."""
    metadata = at.machine.metadata
    labels = {**instance.labels, **metadata.labels}
    at = replace(
        at,
        machine=at.machine.model_copy(update={"metadata": metadata.model_copy(update={"labels": labels})}),
    )
    at = at.status(
        provider_id=instance.provider_id,
        capacity=dict(instance.capacity),
        allocatable=dict(instance.allocatable),
    )
    if at.machine.is_true(LAUNCHED):
        return at
    message = f"{instance.instance_type} launched as {instance.provider_id}."
    return at.true(LAUNCHED).notice(Notice("Normal", "Launched", message))


def _refused(at: Progress, refusal: Refusal) -> Progress:
    """Set False for what is final for this claim as it is, Unknown for what goes on by itself; say what to do."""
    error, before = refusal.error, at.machine.condition(LAUNCHED)
    reason, what, final = error.reason, error.message, error.terminal
    overdue = at.now >= at.created + timedelta(seconds=at.limits.launch)
    if overdue and not final and not isinstance(error, InsufficientCapacityError):
        reason, final = "LaunchTimeout", True
        what = f"Not launched within {at.limits.launch:.0f} s. Last answer of the cloud: {error.reason}: {what}"
    message = " ".join(part for part in (what, _next_try(at, refusal), error.remedy) if part)
    if refusal.retry_at is not None:
        at = at.again_at(refusal.retry_at)
    changed = before is None or before.reason != reason
    at = at.condition(LAUNCHED, "False" if final else "Unknown", reason, message)
    return at.notice(Notice("Warning", reason, f"{what} {error.remedy}".strip())) if changed else at


def _next_try(at: Progress, refusal: Refusal) -> str:
    """Say when; without a moment where the refusal is final, so that finding the same again writes nothing."""
    if refusal.retry_at is None:
        return "It is tried again when the Machine or the cloud changes."
    if isinstance(refusal.error, QuotaExceededError):
        return f"It is looked at again every {at.limits.quota_retry:.0f} s."
    return f"Next retry at {timestamp(refusal.retry_at)}."
