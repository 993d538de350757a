"""Which pods a node waits for, and whose turn it is."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kaito.provisioner.lifecycle.draining import drain
from kaito.provisioner.node import Pod

NOW = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)


def owned(kind: str) -> dict[str, Any]:
    return {"ownerReferences": [{"apiVersion": "v1", "kind": kind, "name": "o", "uid": "o", "controller": True}]}


def pod(name: str, metadata: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, phase: str = "") -> Pod:
    meta = {"name": name, "namespace": "default", "uid": name, **(metadata or {})}
    return msgspec.convert({"metadata": meta, "spec": spec or {}, "status": {"phase": phase}}, Pod)


@pytest.mark.parametrize(
    "skipped",
    [
        pod("done", phase="Succeeded"),
        pod("failed", phase="Failed"),
        pod("static", {"annotations": {"kubernetes.io/config.mirror": "x"}}),
        pod("of-node", owned("Node")),
        pod("tolerant", spec={"tolerations": [{"operator": "Exists"}]}),
        pod("knowing", spec={"tolerations": [{"key": "karpenter.sh/disrupted", "operator": "Exists"}]}),
        pod("stuck", {"deletionTimestamp": "2026-01-02T02:58:59Z"}),
    ],
    ids=lambda one: one.metadata.name,
)
def test_nothing_waits_for(skipped: Pod) -> None:
    assert drain([skipped], NOW).leaving == ()


@pytest.mark.parametrize(
    "kept",
    [
        pod("plain"),
        pod("running", phase="Running"),
        pod("other-effect", spec={"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}),
        pod("other-key", spec={"tolerations": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}]}),
    ],
    ids=lambda one: one.metadata.name,
)
def test_the_node_waits_for(kept: Pod) -> None:
    assert drain([kept], NOW).evict == (kept,)


def test_a_pod_on_its_way_is_waited_for_but_not_told_again() -> None:
    leaving = pod("leaving", {"deletionTimestamp": "2026-01-02T03:00:30Z"})
    told = drain([leaving], NOW)
    assert (told.leaving, told.evict) == ((leaving,), ())


def test_tiers_go_one_after_the_other() -> None:
    critical = {"priorityClassName": "system-node-critical"}
    tiers = [
        pod("ordinary"),
        pod("daemon", owned("DaemonSet")),
        pod("critical", spec=critical),
        pod("critical-daemon", owned("DaemonSet"), critical),
    ]
    left = list(reversed(tiers))
    for expected in tiers:
        assert drain(left, NOW).evict == (expected,)
        left.remove(expected)


def test_many_pods_are_named_in_few_words() -> None:
    assert str(drain([pod(name) for name in "abcde"], NOW)) == "default/a, default/b, default/c and 2 more"
