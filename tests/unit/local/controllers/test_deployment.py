"""What a Deployment does next."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from kaito.core.conditions import condition
from kaito.local.controllers.deployment.decide import (
    DESIRED_REPLICAS,
    REVISION,
    Decision,
    Snapshot,
    decide,
    new_replica_set,
    split,
)
from kaito.local.controllers.template_hash import POD_TEMPLATE_HASH, pod_template_hash, same_template

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def deployment(image: str = "one", replicas: int = 1, **spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 2, "annotations": {"team": "x"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            **spec,
        },
        "status": {},
    }


def made(decision: Decision, created: str = "2026-01-02T03:00:00Z", **status: int) -> dict[str, Any]:
    """The ReplicaSet of a decision, as the server would return it."""
    assert decision.create is not None
    one = copy.deepcopy(decision.create)
    one["metadata"] |= {"uid": one["metadata"]["name"], "creationTimestamp": created, "resourceVersion": "1"}
    one["status"] = {"replicas": one["spec"]["replicas"], **status}
    return one


def test_a_new_deployment_makes_one_replica_set_with_hash_owner_and_revision() -> None:
    decision = decide(Snapshot(deployment(), [], []), NOW)
    created = decision.create
    assert created is not None
    digest = created["metadata"]["labels"][POD_TEMPLATE_HASH]
    assert created["metadata"]["name"] == f"web-{digest}"
    assert created["spec"]["selector"]["matchLabels"] == {"app": "web", POD_TEMPLATE_HASH: digest}
    assert created["spec"]["template"]["metadata"]["labels"][POD_TEMPLATE_HASH] == digest
    assert created["spec"]["replicas"] == 1
    assert created["metadata"]["annotations"] == {
        "team": "x",
        REVISION: "1",
        DESIRED_REPLICAS: "1",
        "deployment.kubernetes.io/max-replicas": "1",
    }
    assert created["metadata"]["ownerReferences"][0]["controller"] is True
    assert decision.revision == "1"


def test_the_deployments_own_template_gets_no_hash() -> None:
    one = deployment()
    decide(Snapshot(one, [], []), NOW)
    assert POD_TEMPLATE_HASH not in one["spec"]["template"]["metadata"]["labels"]


def test_a_settled_deployment_writes_nothing() -> None:
    one = deployment()
    first = decide(Snapshot(one, [], []), NOW)
    replica_set = made(first, readyReplicas=1, availableReplicas=1)
    settled = decide(Snapshot(one, [replica_set], []), NOW)
    one["status"] = settled.status
    again = decide(Snapshot(one, [replica_set], []), NOW + timedelta(hours=1))
    assert (again.create, again.resizes, again.delete) == (None, (), ())
    assert again.status == settled.status
    assert again.requeue_after is None


def test_a_changed_template_rolls_over_one_step_at_a_time_without_surge() -> None:
    old = made(decide(Snapshot(deployment("one"), [], []), NOW), readyReplicas=1, availableReplicas=1)
    changed = deployment("two")
    first = decide(Snapshot(changed, [old], []), NOW)
    assert first.create is not None
    assert first.create["spec"]["replicas"] == 0
    assert first.revision == "2"
    new = made(first, created="2026-01-02T03:04:00Z")
    second = decide(Snapshot(changed, [old, new], []), NOW)
    assert [(one.replica_set["metadata"]["name"], one.replicas) for one in second.resizes] == [
        (old["metadata"]["name"], 0)
    ]
    old["spec"]["replicas"], old["status"] = 0, {"replicas": 0}
    third = decide(Snapshot(changed, [old, new], []), NOW)
    assert [one.replicas for one in third.resizes] == [1]


def test_recreate_starts_nothing_while_an_old_pod_runs() -> None:
    strategy = {"strategy": {"type": "Recreate"}}
    old = made(decide(Snapshot(deployment("one", **strategy), [], []), NOW), readyReplicas=1, availableReplicas=1)
    changed = deployment("two", **strategy)
    pod = {"metadata": {"ownerReferences": [{"uid": old["metadata"]["uid"]}]}, "status": {"phase": "Running"}}
    first = decide(Snapshot(changed, [old], [pod]), NOW)
    assert first.create is None
    assert [one.replicas for one in first.resizes] == [0]
    old["spec"]["replicas"], old["status"] = 0, {"replicas": 0}
    assert decide(Snapshot(changed, [old], [pod]), NOW).create is None
    assert decide(Snapshot(changed, [old], []), NOW).create is not None


def test_going_back_to_an_old_template_reuses_its_replica_set_with_a_new_revision() -> None:
    one = made(decide(Snapshot(deployment("one"), [], []), NOW))
    two = made(decide(Snapshot(deployment("two"), [one], []), NOW), created="2026-01-02T03:01:00Z")
    back = decide(Snapshot(deployment("one"), [one, two], []), NOW)
    assert back.create is None
    assert back.revision == "3"
    resized = {r.replica_set["metadata"]["name"]: r.annotations.get(REVISION) for r in back.resizes}
    assert resized[one["metadata"]["name"]] == "3"


def test_scaling_changes_the_size_and_the_annotations_of_the_one_replica_set() -> None:
    replica_set = made(decide(Snapshot(deployment(), [], []), NOW), readyReplicas=1, availableReplicas=1)
    decision = decide(Snapshot(deployment(replicas=3), [replica_set], []), NOW)
    (resize,) = decision.resizes
    assert resize.replicas == 3
    assert resize.annotations[DESIRED_REPLICAS] == "3"


def test_a_paused_deployment_rolls_out_nothing() -> None:
    old = made(decide(Snapshot(deployment("one"), [], []), NOW), readyReplicas=1, availableReplicas=1)
    decision = decide(Snapshot(deployment("two", paused=True), [old], []), NOW)
    assert decision.create is None
    assert [one.replicas for one in decision.resizes] in ([], [1])


def test_old_empty_replica_sets_beyond_the_history_limit_go_once_the_rollout_is_complete() -> None:
    one = deployment("new", revisionHistoryLimit=1)
    current = made(decide(Snapshot(one, [], []), NOW), readyReplicas=1, availableReplicas=1)
    old = [
        made(decide(Snapshot(deployment(f"v{i}"), [], []), NOW), created=f"2026-01-01T00:00:0{i}Z") for i in range(3)
    ]
    for replica_set in old:
        replica_set["spec"]["replicas"], replica_set["status"] = 0, {"replicas": 0}
    one["status"] = decide(Snapshot(one, [current], []), NOW).status
    decision = decide(Snapshot(one, [current, *old], []), NOW)
    assert [gone["metadata"]["uid"] for gone in decision.delete] == [gone["metadata"]["uid"] for gone in old[:2]]


def test_conditions_tell_availability_and_progress() -> None:
    one = deployment()
    first = decide(Snapshot(one, [], []), NOW)
    progressing = condition(first.status, "Progressing")
    assert progressing is not None
    assert progressing["reason"] == "NewReplicaSetCreated"
    one["status"] = first.status
    done = decide(Snapshot(one, [made(first, readyReplicas=1, availableReplicas=1)], []), NOW)
    reasons = {item["type"]: (item["status"], item["reason"]) for item in done.status["conditions"]}
    assert reasons == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert done.status["observedGeneration"] == 2


def test_a_rollout_without_progress_times_out_and_asks_to_be_looked_at_then() -> None:
    one = deployment(replicas=2, progressDeadlineSeconds=60)
    first = decide(Snapshot(one, [], []), NOW)
    one["status"] = first.status
    assert first.requeue_after == 61
    late = decide(Snapshot(one, [made(first)], []), NOW + timedelta(seconds=1))
    one["status"] = late.status
    timed_out = decide(Snapshot(one, [made(first)], []), NOW + timedelta(seconds=120))
    progressing = condition(timed_out.status, "Progressing")
    assert progressing is not None
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_a_deployment_that_is_being_deleted_makes_nothing() -> None:
    one = deployment()
    one["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    decision = decide(Snapshot(one, [], []), NOW)
    assert (decision.create, decision.resizes) == (None, ())


def test_a_collision_changes_the_hash() -> None:
    template = deployment()["spec"]["template"]
    assert pod_template_hash(template) != pod_template_hash(template, 1)
    one = deployment()
    one["status"]["collisionCount"] = 1
    assert new_replica_set(one, "1", 1)["metadata"]["name"] == f"web-{pod_template_hash(template, 1)}"


def test_the_hash_label_and_empty_fields_do_not_make_a_template_another() -> None:
    template = deployment()["spec"]["template"]
    stored = copy.deepcopy(template)
    stored["metadata"]["labels"][POD_TEMPLATE_HASH] = "abc"
    stored["spec"]["containers"][0]["resources"] = {}
    assert same_template(template, stored)
    stored["spec"]["containers"][0]["image"] = "other"
    assert not same_template(template, stored)


def test_the_current_replica_set_is_found_by_its_template_after_the_server_defaulted_it() -> None:
    one = deployment()
    current = made(decide(Snapshot(one, [], []), NOW))
    new, old = split(one, [current])
    assert new is current
    assert old == []
