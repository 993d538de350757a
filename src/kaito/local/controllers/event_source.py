"""Events under the names that users know from Kubernetes (`default-scheduler`, `deployment-controller` …)."""

from kaito.core import EventRecorder, Manager


def event_source(manager: Manager, component: str) -> EventRecorder:
    """Return a recorder whose events come from `component`, although all controllers share one process."""
    recorder = EventRecorder(manager.client, component, manager.clock)
    manager.add_runnable(recorder.run)
    return recorder
