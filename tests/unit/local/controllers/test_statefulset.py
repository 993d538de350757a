"""Which pod of a StatefulSet comes or goes next, and from which revision."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.local.controllers.statefulset.decide import Decision, decide
from kaito.local.controllers.statefulset.pods import REVISION, ordinal, pod_from
from kaito.local.controllers.statefulset.revisions import name_of, template_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OLD, NEW = {"spec": {"containers": [{"image": "old"}]}}, {"spec": {"containers": [{"image": "new"}]}}


def stateful_set(replicas: int = 2, *, status: Any = None, template: Any = None, **spec: Any) -> dict[str, Any]:
    written = {"replicas": replicas, "serviceName": "db", "template": template or NEW, **spec}
    metadata = {"name": "db", "namespace": "default", "uid": "s", "generation": 1}
    return {"metadata": metadata, "spec": written, "status": status or {}}


def revision(name: str, template: Any, number: int) -> dict[str, Any]:
    data = {"spec": {"template": {**template, "$patch": "replace"}}}
    return {"metadata": {"name": name, "namespace": "default"}, "data": data, "revision": number}


def pod(number: int, of: str = "db-new", *, ready: bool = True, phase: str = "Running", **more: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": f"db-{number}", "labels": {REVISION: of}}
    if more.get("deleting"):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": more.get("since", "2026-01-01T00:00:00Z")}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, "conditions": [condition]}}


KNOWN = [revision("db-old", OLD, 1), revision("db-new", NEW, 2)]


def names(pods: Any) -> list[str]:
    return [one["metadata"]["name"] for one in pods]


def step(one: Any, pods: Any, known: Any = KNOWN) -> tuple[list[str], list[str]]:
    decision = decide(one, pods, known, NOW)
    return names(decision.create), names(decision.delete)


@pytest.mark.parametrize(
    ("pods", "create", "delete"),
    [
        ([], ["db-0"], []),
        ([pod(0, ready=False)], [], []),
        ([pod(0)], ["db-1"], []),
        ([pod(0), pod(1)], [], []),
        ([pod(1)], ["db-0"], []),
        ([pod(0, deleting=True), pod(1)], [], []),
        ([pod(0, phase="Failed"), pod(1)], [], ["db-0"]),
        ([pod(0), pod(1), pod(2), pod(3)], [], ["db-3"]),
        ([pod(0), pod(1), pod(2), pod(3, deleting=True)], [], []),
        ([pod(0, ready=False), pod(1), pod(2)], [], []),
        ([pod(0), pod(1), pod(2, ready=False)], [], ["db-2"]),
        ([pod(0, "db-old"), pod(1, "db-old")], [], ["db-1"]),
        ([pod(0, "db-old"), pod(1, ready=False)], [], []),
        ([pod(0, "db-old"), pod(1)], [], ["db-0"]),
    ],
    ids=[
        *("first", "waits", "second", "all", "lost", "still going", "failed", "last goes", "one at a time"),
        *("unwell below", "unwell itself", "rolls last", "rolls on when well", "rolls first"),
    ],
)
def test_in_order_one_pod_comes_or_goes_at_a_time(pods: Any, create: list[str], delete: list[str]) -> None:
    assert step(stateful_set(), pods) == (create, delete)


def test_parallel_sets_do_not_wait() -> None:
    one = stateful_set(3, podManagementPolicy="Parallel")
    assert step(one, [pod(1, ready=False)]) == (["db-0", "db-2"], [])
    assert step(one, [pod(number, ready=False) for number in range(5)]) == ([], ["db-4", "db-3"])


def test_below_the_partition_pods_stay_and_come_back_as_they_were() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    one = stateful_set(updateStrategy=strategy, status={"currentRevision": "db-old"})
    assert step(one, [pod(0, "db-old"), pod(1)]) == ([], [])
    made = decide(one, [], KNOWN, NOW).create[0]
    assert made["metadata"]["labels"][REVISION] == "db-old"
    assert made["spec"]["containers"] == [{"image": "old"}]


def test_on_delete_nothing_is_replaced() -> None:
    assert step(stateful_set(updateStrategy={"type": "OnDelete"}), [pod(0, "db-old"), pod(1, "db-old")]) == ([], [])


def test_ordinals_may_begin_later() -> None:
    assert step(stateful_set(ordinals={"start": 3}), []) == (["db-3"], [])
    assert step(stateful_set(ordinals={"start": 3}), [pod(0), pod(3), pod(4)]) == ([], ["db-0"])


def test_a_pod_has_to_stay_ready_as_long_as_asked() -> None:
    one = stateful_set(minReadySeconds=10)
    young = pod(0, since="2026-01-02T03:04:00Z")
    decision = decide(one, [young], KNOWN, NOW)
    assert (decision.create, decision.requeue_after) == ((), 5.0)
    assert decision.status["availableReplicas"] == 0


def test_a_new_template_makes_a_revision_and_an_old_one_comes_back_renumbered() -> None:
    new = decide(stateful_set(template={"spec": {"containers": []}}), [], KNOWN, NOW).revisions
    assert new is not None
    assert new.create is not None
    assert new.create["revision"] == 3
    assert template_of(new.create) == {"spec": {"containers": []}}
    back = decide(stateful_set(template=OLD), [], KNOWN, NOW).revisions
    assert back is not None
    assert back.create is None
    assert back.renumber == (KNOWN[0], 3)


def test_a_name_that_another_template_has_is_changed_by_the_collision_count() -> None:
    first, second = (decide(stateful_set(status={"collisionCount": n}), [], [], NOW).revisions for n in (0, 1))
    assert first is not None
    assert second is not None
    assert name_of(first.update) != name_of(second.update)


def test_old_revisions_that_nothing_uses_are_forgotten() -> None:
    known = [revision(f"db-{n}", {"spec": {"containers": [{"image": str(n)}]}}, n) for n in range(4)] + [KNOWN[1]]
    known[4]["revision"] = 9
    one = stateful_set(revisionHistoryLimit=1, status={"currentRevision": "db-1"})
    assert names(decide(one, [pod(0, "db-0")], known, NOW).forget) == ["db-2"]


def test_the_current_revision_moves_when_the_rollout_is_over() -> None:
    before = {"currentRevision": "db-old"}
    during = decide(stateful_set(status=before), [pod(0, "db-old"), pod(1)], KNOWN, NOW).status
    assert (during["currentRevision"], during["currentReplicas"], during["updatedReplicas"]) == ("db-old", 1, 1)
    after = decide(stateful_set(status=before), [pod(0), pod(1)], KNOWN, NOW).status
    assert (after["currentRevision"], after["currentReplicas"]) == ("db-new", 2)


def test_volume_claims_are_refused_in_words() -> None:
    decision = decide(stateful_set(volumeClaimTemplates=[{}]), [], [], NOW)
    assert "PersistentVolumeClaims" in decision.refusal
    assert decision.create == ()


def test_a_set_that_goes_makes_nothing() -> None:
    one = stateful_set()
    one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert decide(one, [], KNOWN, NOW) == Decision(status={})


def test_a_pod_knows_its_name_and_place() -> None:
    made = pod_from(stateful_set(), {"metadata": {"labels": {"app": "db"}}, **NEW}, 1, "db-new")
    assert (made["metadata"]["name"], made["spec"]["hostname"], made["spec"]["subdomain"]) == ("db-1", "db-1", "db")
    assert made["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    assert "hostname" not in NEW["spec"]


@pytest.mark.parametrize(
    ("name", "number"), [("db-0", 0), ("db-12", 12), ("db-01", None), ("db-", None), ("dbx-1", None)]
)
def test_only_its_own_names_have_an_ordinal(name: str, number: int | None) -> None:
    assert ordinal("db", {"metadata": {"name": name}}) == number


@given(st.integers(0, 4), st.lists(st.tuples(st.sampled_from(["db-old", "db-new"]), st.booleans()), max_size=6))
def test_a_set_in_order_ends_as_it_is_asked_for_and_never_hurries(replicas: int, found: list[tuple[str, bool]]) -> None:
    """Pods get well and go away one step after they were asked to; whatever there was at first, the end is the same."""
    pods = {number: pod(number, of, ready=ready) for number, (of, ready) in enumerate(found)}
    one = stateful_set(replicas, status={"currentRevision": "db-old"})
    for _ in range(100):
        decision = decide(one, list(pods.values()), KNOWN, NOW)
        assert len(decision.create) + len(decision.delete) <= 1
        one["status"] = decision.status
        for gone in decision.delete:
            del pods[int(gone["metadata"]["name"].removeprefix("db-"))]
        for number in pods:
            pods[number] = pod(number, pods[number]["metadata"]["labels"][REVISION])
        for made in decision.create:
            number = int(made["metadata"]["name"].removeprefix("db-"))
            assert all(earlier in pods for earlier in range(number))
            pods[number] = pod(number, made["metadata"]["labels"][REVISION], ready=False)
    assert sorted(pods) == list(range(replicas))
    assert all(one["metadata"]["labels"][REVISION] == "db-new" for one in pods.values())
    assert one["status"]["replicas"] == replicas
