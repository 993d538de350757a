"""Where pods go, and what is said when they go nowhere."""

from types import SimpleNamespace
from typing import Any

import pytest

from kaito.core import Key
from kaito.core.kinds import NODE
from kaito.local.controllers.scheduler.affinity import matches_node
from kaito.local.controllers.scheduler.decide import Candidate, place, wants_scheduling
from kaito.local.controllers.scheduler.reconciler import SchedulerReconciler
from kaito.local.controllers.scheduler.resources import requests, used
from kaito.local.controllers.scheduler.taints import tolerates
from kaito.testing import VirtualClock

GPU_TAINT = {"key": "sku", "value": "gpu", "effect": "NoSchedule"}


def node(name: str = "n", *, ready: bool = True, cordoned: bool = False, taints: Any = (), **extra: str) -> Any:
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "10", **extra}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kaito.sh/workspace": "w"}},
        "spec": {"taints": list(taints), "unschedulable": cordoned},
        "status": {"allocatable": capacity, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def pod(name: str = "p", *, requests: Any = None, tolerations: Any = (), selector: Any = None, **spec: Any) -> Any:
    container = {"name": "c", "resources": {"requests": requests or {}}}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [container], "tolerations": list(tolerations), "nodeSelector": selector or {}, **spec},
    }


def affinity(*expressions: Any) -> Any:
    required = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


@pytest.mark.parametrize(
    ("waiting", "nodes", "message"),
    [
        (pod(), [], "no nodes available to schedule pods"),
        (
            pod(requests={"nvidia.com/gpu": "1"}),
            [node()],
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        ),
        (
            pod(),
            [node(taints=[GPU_TAINT])],
            "0/1 nodes are available: 1 node(s) had untolerated taint {sku: gpu}.",
        ),
        (
            pod(selector={"disk": "ssd"}),
            [node("a"), node("b")],
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        ),
        (pod(), [node(cordoned=True)], "0/1 nodes are available: 1 node(s) were unschedulable."),
        (
            pod(),
            [node(ready=False)],
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
        ),
        (
            pod(requests={"cpu": "5", "memory": "9Gi"}),
            [node("a"), node("b", taints=[GPU_TAINT])],
            (
                "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, "
                "1 node(s) had untolerated taint {sku: gpu}."
            ),
        ),
    ],
)
def test_a_pod_that_fits_nowhere_is_told_so_in_kube_schedulers_words(waiting: Any, nodes: Any, message: str) -> None:
    placement = place(waiting, [Candidate(one, {}) for one in nodes])
    assert placement.node == ""
    assert placement.message == message


def test_what_other_pods_reserve_counts() -> None:
    taken = used([pod(requests={"nvidia.com/gpu": "1"})])
    gpu_node = node(**{"nvidia.com/gpu": "1"})
    wanting = pod(requests={"nvidia.com/gpu": "1"})
    assert place(wanting, [Candidate(gpu_node, {})]).node == "n"
    assert place(wanting, [Candidate(gpu_node, taken)]).message == (
        "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    )


def test_a_full_node_has_too_many_pods() -> None:
    full = used([pod(str(i)) for i in range(10)])
    assert place(pod(), [Candidate(node(), full)]).message == "0/1 nodes are available: 1 Too many pods."


def test_a_pod_without_accelerators_prefers_a_node_without() -> None:
    nodes = [node("a", **{"nvidia.com/gpu": "1"}), node("b")]
    assert place(pod(), [Candidate(one, {}) for one in nodes]).node == "b"


def test_the_emptier_node_is_taken_then_the_first_by_name() -> None:
    busy = used([pod(requests={"cpu": "3"})])
    assert place(pod(), [Candidate(node("a"), busy), Candidate(node("b"), {})]).node == "b"
    assert place(pod(), [Candidate(node("b"), {}), Candidate(node("a"), {})]).node == "a"


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ({"key": "kaito.sh/workspace", "operator": "In", "values": ["w", "x"]}, True),
        ({"key": "kaito.sh/workspace", "operator": "NotIn", "values": ["w"]}, False),
        ({"key": "absent", "operator": "NotIn", "values": ["w"]}, True),
        ({"key": "kaito.sh/workspace", "operator": "Exists"}, True),
        ({"key": "kaito.sh/workspace", "operator": "DoesNotExist"}, False),
        ({"key": "kaito.sh/workspace", "operator": "Gt", "values": ["1"]}, False),
    ],
)
def test_required_affinity(expression: Any, matches: bool) -> None:
    assert matches_node(pod(affinity=affinity(expression)), node()) is matches


def test_an_affinity_without_terms_matches_nothing() -> None:
    assert not matches_node(pod(affinity=affinity()), node())


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}, True),
        ({"key": "sku", "value": "gpu"}, True),
        ({"key": "sku", "value": "cpu"}, False),
        ({"key": "sku", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "sku", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"value": "gpu"}, False),
    ],
)
def test_tolerations(toleration: Any, expected: bool) -> None:
    assert tolerates(toleration, GPU_TAINT) is expected


def test_init_containers_count_with_their_largest_and_limits_stand_in_for_requests() -> None:
    one = pod(requests={"cpu": "1"})
    one["spec"]["containers"].append({"name": "d", "resources": {"limits": {"cpu": "500m"}}})
    one["spec"]["initContainers"] = [
        {"name": "i", "resources": {"requests": {"cpu": "3"}}},
        {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"memory": "1Gi"}}},
    ]
    total = requests(one)
    assert total["cpu"] == 3
    assert total["memory"] == 2**30
    assert total["pods"] == 1


def test_pods_of_other_schedulers_gated_bound_and_deleted_pods_are_left_alone() -> None:
    assert wants_scheduling(pod())
    assert not wants_scheduling(pod(schedulerName="other"))
    assert not wants_scheduling(pod(nodeName="n"))
    assert not wants_scheduling(pod(schedulingGates=[{"name": "x"}]))
    gone = pod()
    gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not wants_scheduling(gone)


class Entry:
    """A node in the cache."""

    def __init__(self, node: Any) -> None:
        self.metadata = SimpleNamespace(name=node["metadata"]["name"], deletion_timestamp=None)
        self.decode = lambda: node


async def test_a_pod_was_assigned_before_whatever_its_node_did_with_it() -> None:
    clock = VirtualClock()
    asked = clock.now()
    waiting = pod()
    waiting["metadata"] |= {"namespace": "ns", "uid": "u"}

    async def create_subresource(*_: Any) -> None:
        await clock.advance(1)  # the node starts it meanwhile, and says so

    cache = SimpleNamespace(
        get=lambda kind, _: None if kind is NODE else waiting,
        entries=lambda _: [Entry(node())],
        by_index=lambda *_: [],
    )
    recorded: dict[str, Any] = {}
    events = SimpleNamespace(record=lambda *_, **more: recorded.update(more))
    scheduler: Any = SchedulerReconciler
    await scheduler(cache, SimpleNamespace(create_subresource=create_subresource), events, clock).reconcile(
        Key("ns", "p")
    )
    assert recorded["at"] == asked
