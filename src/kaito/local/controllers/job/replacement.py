"""Which pods a Job makes and deletes now, and how long it waits after failures. Pure.

Source: `manageJob` and the back-off records of Kubernetes' `pkg/controller/job`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from kaito.core import Object
from kaito.local.controllers.job.indexes import completion_index, is_indexed
from kaito.local.controllers.job.pods import finished_at, has_failed, phase
from kaito.local.controllers.pods import is_active
from kaito.local.controllers.replicaset.decide import BURST, victims

FIRST_DELAY_SECONDS = 10.0
"""After the first failure; it doubles with each further one in a row."""
LONGEST_DELAY_SECONDS = 600.0


def wanted_active(spec: Object, active: int, succeeded: int) -> int:
    """Return how many pods should run."""
    parallelism = 1 if spec.get("parallelism") is None else int(spec["parallelism"])
    if spec.get("suspend"):
        return 0
    if spec.get("completions") is None:
        return active if succeeded else parallelism  # after a success no new pod starts
    return min(int(spec["completions"]) - succeeded, parallelism)


def surplus(spec: Object, active: Sequence[Object], succeeded: int, done: set[int]) -> list[Object]:
    """Return the pods to delete: of an index that needs none any more, and those beyond what should run."""
    needless: list[Object] = []
    if is_indexed(spec):
        seen: set[int] = set()
        for pod in active:
            index = completion_index(pod)
            if index is None or index in seen or index in done or index >= int(spec["completions"]):
                needless.append(pod)
            else:
                seen.add(index)
    kept = [pod for pod in active if pod not in needless]
    excess = len(active) - max(0, wanted_active(spec, len(active), succeeded)) - len(needless)
    return [*needless, *victims(kept, min(max(0, excess), BURST))]


def missing(spec: Object, pods: Sequence[Object], succeeded: int, done: set[int]) -> list[int | None]:
    """Return what to make pods for: indexes, or as many Nones."""
    active = [pod for pod in pods if is_active(pod)]
    ending: list[Object] = []
    if spec.get("podReplacementPolicy") == "Failed":
        ending = [pod for pod in pods if not is_active(pod) and phase(pod) in ("Pending", "Running", "Unknown", "")]
    count = wanted_active(spec, len(active), succeeded) - len(active) - len(ending)
    if count <= 0:
        return []
    if not is_indexed(spec):
        return [None] * min(count, BURST)
    taken = done | {index for pod in (*active, *ending) if (index := completion_index(pod)) is not None}
    free = (index for index in range(int(spec["completions"])) if index not in taken)
    return [index for index, _ in zip(free, range(min(count, BURST)), strict=False)]


def delay(spec: Object, pods: Sequence[Object], now: datetime) -> float:
    """Return the seconds until pods may be made again: longer with each failure since the last success."""
    successes = [end for pod in pods if phase(pod) == "Succeeded" and (end := finished_at(pod))]
    last_success = max(successes, default=None)
    failures = [
        end
        for pod in pods
        if has_failed(pod, spec) and (end := finished_at(pod)) and (last_success is None or end > last_success)
    ]
    if not failures:
        return 0.0
    pause = min(FIRST_DELAY_SECONDS * 2 ** (len(failures) - 1), LONGEST_DELAY_SECONDS)
    return max(0.0, (max(failures) + timedelta(seconds=pause) - now).total_seconds())
