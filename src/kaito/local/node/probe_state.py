"""What probe results mean: thresholds, and which probe may run when. Pure."""

from dataclasses import dataclass, replace
from typing import Literal

from kaito.core.objects import Object

ProbeType = Literal["startup", "readiness", "liveness"]
FIELDS: dict[ProbeType, str] = {"startup": "startupProbe", "readiness": "readinessProbe", "liveness": "livenessProbe"}


@dataclass(frozen=True)
class Timing:
    """A probe's numbers, in seconds and counts. Defaults are those of the Kubernetes API."""

    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    success: int = 1
    failure: int = 3

    @classmethod
    def of(cls, probe: Object) -> "Timing":
        """Read a probe of a container; periods and timeouts are at least one second, as the API has it."""
        return cls(
            float(probe.get("initialDelaySeconds") or 0),
            max(1.0, float(probe.get("periodSeconds") or 10)),
            max(1.0, float(probe.get("timeoutSeconds") or 1)),
            int(probe.get("successThreshold") or 1),
            int(probe.get("failureThreshold") or 3),
        )


@dataclass(frozen=True)
class Tracker:
    """Consecutive results of one probe, and the verdict they have led to (None before the first)."""

    timing: Timing
    passed: bool | None = None
    streak: int = 0
    last: bool | None = None

    def observe(self, *, success: bool) -> "Tracker":
        """Count one result; the verdict changes when a threshold is reached."""
        streak = self.streak + 1 if self.last is success else 1
        threshold = self.timing.success if success else self.timing.failure
        passed = success if streak >= threshold else self.passed
        return replace(self, passed=passed, streak=streak, last=success)


@dataclass(frozen=True)
class Verdict:
    """What the probes of a running container say. A container without probes is started and ready at once.

    `failed` is the probe that wants the container restarted.
    """

    started: bool = True
    ready: bool = True
    failed: Literal["startup", "liveness"] | None = None


def initial_verdict(container: Object, *, was_started: bool = False, was_ready: bool = False) -> Verdict:
    """Return what holds before the first result; a container found again after our restart keeps what it had."""
    return Verdict(
        started=was_started or "startupProbe" not in container,
        ready=was_ready or ("readinessProbe" not in container and "startupProbe" not in container),
    )


def verdict_after(verdict: Verdict, kind: ProbeType, tracker: Tracker, container: Object) -> Verdict:
    """Return the verdict once `tracker` has changed."""
    if tracker.passed is None:
        return verdict
    if kind == "readiness":
        return replace(verdict, ready=tracker.passed and verdict.started)
    if not tracker.passed:
        return replace(verdict, failed=kind, ready=verdict.ready and kind != "startup")
    if kind == "startup":
        return replace(verdict, started=True, ready=verdict.ready or "readinessProbe" not in container)
    return verdict


def may_run(verdict: Verdict, kind: ProbeType) -> bool:
    """Return whether a probe runs now: the others wait for the startup probe, which ends with its first success."""
    if verdict.failed:
        return False
    return not verdict.started if kind == "startup" else verdict.started
