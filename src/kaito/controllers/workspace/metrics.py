"""What Prometheus sees of the Workspaces: how many are in each phase, and how long phases took."""

from prometheus_client import CollectorRegistry, Gauge, Histogram

from kaito.api import WorkspaceStatus
from kaito.core.objects import Key

_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)


class WorkspaceMetrics:
    """`kaito_workspace_phase` and `kaito_workspace_phase_seconds`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._workspaces = Gauge("kaito_workspace_phase", "Workspaces by phase.", ["phase"], registry=registry)
        self._seconds = Histogram(
            "kaito_workspace_phase_seconds", "Time in a phase.", ["phase"], buckets=_SECONDS, registry=registry
        )
        self._phases: dict[Key, str] = {}

    def saw(self, key: Key, before: WorkspaceStatus, after: WorkspaceStatus) -> None:
        """Count a Workspace in its phase, and the phases that ended between two statuses."""
        self._count(key, after.phase)
        ended = {row.started_at: row for row in after.timeline if row.seconds is not None}
        for row in before.timeline:
            closed = ended.get(row.started_at)
            if row.seconds is None and closed is not None and closed.seconds is not None:
                self._seconds.labels(row.phase).observe(closed.seconds)

    def forget(self, key: Key) -> None:
        """Stop counting a Workspace that is gone."""
        self._count(key, None)

    def _count(self, key: Key, phase: str | None) -> None:
        before = self._phases.pop(key, None)
        if before is not None:
            self._workspaces.labels(before).dec()
        if phase is not None:
            self._phases[key] = phase
            self._workspaces.labels(phase).inc()
