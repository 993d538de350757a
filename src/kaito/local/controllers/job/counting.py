"""How many pods of a Job have succeeded and failed: what its status knows, and what has ended since. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from kaito.core import Object
from kaito.local.controllers.job.indexes import completion_index, format_indexes, is_indexed, parse_indexes
from kaito.local.controllers.job.pods import has_failed, phase, tracked
from kaito.local.controllers.job.policy import verdict


@dataclass(frozen=True)
class Count:
    """The numbers of a Job. `noted` are the uids of pods that may lose their finalizer once the status is written."""

    settled_succeeded: int
    settled_failed: int
    waiting_succeeded: tuple[str, ...]
    waiting_failed: tuple[str, ...]
    indexes: set[int]
    noted: frozenset[str]
    indexed: bool

    @property
    def succeeded(self) -> int:
        """All that have succeeded."""
        return len(self.indexes) if self.indexed else self.settled_succeeded + len(self.waiting_succeeded)

    @property
    def failed(self) -> int:
        """All that count as failed."""
        return self.settled_failed + len(self.waiting_failed)

    @property
    def uncounted(self) -> bool:
        """Whether a pod still has to lose its finalizer before its number is final."""
        return bool(self.waiting_succeeded or self.waiting_failed)

    def status(self) -> Object:
        """Return the part of the Job's status that this is."""
        waiting: Object = {}
        if self.waiting_succeeded:
            waiting["succeeded"] = list(self.waiting_succeeded)
        if self.waiting_failed:
            waiting["failed"] = list(self.waiting_failed)
        status: Object = {"uncountedTerminatedPods": waiting}
        settled = self.succeeded if self.indexed else self.settled_succeeded
        if settled:
            status["succeeded"] = settled
        if self.settled_failed:
            status["failed"] = self.settled_failed
        if self.indexed and self.indexes:
            status["completedIndexes"] = format_indexes(self.indexes)
        return status


def count(job: Object, pods: Sequence[Object]) -> Count:
    """Settle what has lost its finalizer, and note what has ended since."""
    spec, status = job["spec"], job.get("status") or {}
    waiting = status.get("uncountedTerminatedPods") or {}
    held = {pod["metadata"]["uid"] for pod in pods if tracked(pod)}
    succeeded, failed = (list(waiting.get(name) or ()) for name in ("succeeded", "failed"))
    known = {*succeeded, *failed}
    indexed = is_indexed(spec)
    indexes = parse_indexes(status.get("completedIndexes") or "") if indexed else set()
    noted = set(known)
    still_succeeded, still_failed = ([uid for uid in uids if uid in held] for uids in (succeeded, failed))
    for pod in pods:
        uid = pod["metadata"]["uid"]
        if uid in known or uid not in held:
            continue
        if phase(pod) == "Succeeded":
            index = completion_index(pod)
            if not indexed:
                still_succeeded.append(uid)
            elif index is not None and index < int(spec["completions"]):
                indexes.add(index)
            noted.add(uid)
        elif has_failed(pod, spec):
            if verdict(job, pod).counts:
                still_failed.append(uid)
            noted.add(uid)
    return Count(
        int(status.get("succeeded") or 0) + len(succeeded) - sum(uid in held for uid in succeeded),
        int(status.get("failed") or 0) + len(failed) - sum(uid in held for uid in failed),
        tuple(still_succeeded),
        tuple(still_failed),
        indexes,
        frozenset(noted),
        indexed,
    )
