"""Metrics of the Workspaces."""

from prometheus_client import CollectorRegistry

from kaito.api import WorkspaceStatus
from kaito.controllers.workspace import decide
from kaito.controllers.workspace.metrics import WorkspaceMetrics
from kaito.core import Key


def test_a_workspace_is_counted_in_one_phase_and_its_phases_are_timed(a):
    registry = CollectorRegistry()
    metrics = WorkspaceMetrics(registry)
    key = Key("team", "phi")
    first = decide(a.snapshot(), a.now).status
    metrics.saw(key, WorkspaceStatus(), first)
    second = decide(a.serving(a.workspace(status=first.wire())), a.later(3)).status
    metrics.saw(key, first, second)
    metrics.saw(key, second, second)

    def sample(name, phase):
        return registry.get_sample_value(name, {"phase": phase})

    assert sample("kaito_workspace_phase", "ClaimingNodes") == 0
    assert sample("kaito_workspace_phase", "Ready") == 1
    assert sample("kaito_workspace_phase_seconds_sum", "ClaimingNodes") == 3
    assert sample("kaito_workspace_phase_seconds_count", "ClaimingNodes") == 1
    metrics.forget(key)
    assert sample("kaito_workspace_phase", "Ready") == 0
