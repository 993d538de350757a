"""Which pods a Job makes, counts and deletes, and how it ends."""

import copy
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaito.core.clock import timestamp
from kaito.core.conditions import condition
from kaito.local.controllers.job.decide import Decision, decide
from kaito.local.controllers.job.indexes import COMPLETION_INDEX, format_indexes, parse_indexes
from kaito.local.controllers.job.pods import TRACKING, pod_from

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXIT_42 = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}


def job(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"job-name": "tune"}}, "spec": {"restartPolicy": "Never", "containers": []}}
    written = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "template": template, **spec}
    return {"metadata": {"name": "tune", "namespace": "default", "uid": "j"}, "spec": written, "status": status or {}}


def pod(
    name: str, phase: str = "Running", *, exit_code: int = 0, index: int | None = None, **more: Any
) -> dict[str, Any]:
    ended = {"exitCode": exit_code, "finishedAt": timestamp(more.get("ended", NOW - timedelta(hours=1)))}
    container = {"name": "main", "state": {"terminated": ended} if phase in ("Succeeded", "Failed") else {}}
    metadata: dict[str, Any] = {"name": name, "namespace": "default", "uid": name, "finalizers": [TRACKING]}
    if index is not None:
        metadata["annotations"] = {COMPLETION_INDEX: str(index)}
    if more.get("deleting"):
        metadata["deletionTimestamp"] = timestamp(NOW)
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, "containerStatuses": [container]}}


def released(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "metadata": {**one["metadata"], "finalizers": []}}


def conditions(decision: Decision) -> dict[str, str]:
    return {one["type"]: one["reason"] for one in decision.status.get("conditions", ())}


@pytest.mark.parametrize(
    ("spec", "pods", "create", "delete"),
    [
        ({}, [], 1, []),
        ({}, [pod("a")], 0, []),
        ({"completions": 5, "parallelism": 3}, [pod("a")], 2, []),
        ({"completions": 2, "parallelism": 3}, [pod("a", "Succeeded")], 1, []),
        ({"parallelism": 0}, [], 0, []),
        ({"parallelism": 1, "completions": 3}, [pod("a"), pod("b")], 0, ["a"]),
        ({"suspend": True}, [pod("a")], 0, ["a"]),
        ({"completions": None, "parallelism": 3}, [pod("a", "Succeeded"), pod("b")], 0, []),
        ({"podReplacementPolicy": "Failed"}, [pod("a", deleting=True)], 0, []),
    ],
    ids=["first", "runs", "parallel", "rest", "none", "too many", "suspended", "work queue", "replaced when ended"],
)
def test_a_job_runs_as_many_pods_as_it_needs(spec: Any, pods: Any, create: int, delete: list[str]) -> None:
    decision = decide(job(**spec), pods, NOW)
    assert len(decision.create) == create
    assert [one["metadata"]["name"] for one in decision.delete] == delete


def test_indexed_pods_fill_the_free_indexes_and_one_of_two_goes() -> None:
    wanted = job({"completedIndexes": "0,2"}, completionMode="Indexed", completions=5, parallelism=3)
    assert decide(wanted, [pod("a", index=1)], NOW).create == (3, 4)
    twice = decide(wanted, [pod("a", index=1), pod("b", index=1), pod("c", index=3)], NOW)
    assert [one["metadata"]["name"] for one in twice.delete] == ["b"]


def test_a_pod_is_counted_in_three_steps_and_not_twice() -> None:
    wanted, ended = job(), pod("a", "Succeeded")
    first = decide(wanted, [ended], NOW)
    assert first.status["uncountedTerminatedPods"] == {"succeeded": ["a"]}
    assert "succeeded" not in first.status
    assert [one["metadata"]["name"] for one in first.release] == ["a"]
    assert conditions(first) == {"SuccessCriteriaMet": "CompletionsReached"}
    again = decide(job(first.status), [ended], NOW)  # a crash before the finalizer went: nothing changes
    assert again.status == first.status
    last = decide(job(first.status), [released(ended)], NOW)
    assert last.status["succeeded"] == 1
    assert last.status["uncountedTerminatedPods"] == {}
    assert conditions(last)["Complete"] == "CompletionsReached"
    assert last.status["completionTime"] == timestamp(NOW)
    assert decide(job(last.status), [released(ended)], NOW).status == last.status


@pytest.mark.parametrize(
    ("spec", "pods", "reason"),
    [
        ({"backoffLimit": 0}, [pod("a", "Failed")], "BackoffLimitExceeded"),
        ({"backoffLimit": 1}, [pod("a", "Failed"), pod("b", "Failed")], "BackoffLimitExceeded"),
        ({"podFailurePolicy": {"rules": [EXIT_42]}}, [pod("a", "Failed", exit_code=42)], "PodFailurePolicy"),
        ({"activeDeadlineSeconds": 10}, [pod("a")], "DeadlineExceeded"),
    ],
)
def test_a_job_that_fails_says_why_and_ends_what_still_runs(spec: Any, pods: Any, reason: str) -> None:
    begun = {"startTime": timestamp(NOW - timedelta(seconds=10))}
    decision = decide(job(begun, parallelism=3, completions=3, **spec), [*pods, pod("z")], NOW)
    assert conditions(decision) == {"FailureTarget": reason}
    assert "z" in [one["metadata"]["name"] for one in decision.delete]
    assert decision.create == ()


@pytest.mark.parametrize(
    ("pods", "reason"),
    [
        ([pod("a", "Failed", exit_code=1)], None),
        ([pod("a", "Failed", exit_code=42)], "PodFailurePolicy"),
    ],
)
def test_a_failure_policy_tells_exit_codes_apart(pods: Any, reason: str | None) -> None:
    decision = decide(job(podFailurePolicy={"rules": [EXIT_42]}), pods, NOW)
    assert conditions(decision).get("FailureTarget") == reason


def test_an_ignored_failure_does_not_count() -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    lost = pod("a", "Failed")
    lost["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    decision = decide(job(backoffLimit=0, podFailurePolicy={"rules": rules}), [lost], NOW)
    assert conditions(decision) == {}
    assert decision.status["uncountedTerminatedPods"] == {}
    assert [one["metadata"]["name"] for one in decision.release] == ["a"]


def test_after_failures_the_next_pod_waits_twice_as_long_each_time() -> None:
    ended = NOW - timedelta(seconds=3)
    once = decide(job(), [pod("a", "Failed", ended=ended)], NOW)
    assert (once.create, once.requeue_after) == ((), 7.0)
    twice = decide(job(), [pod("a", "Failed", ended=ended), pod("b", "Failed", ended=ended)], NOW)
    assert twice.requeue_after == 17.0


def test_containers_that_restart_in_their_pod_count_against_the_limit() -> None:
    wanted = job(backoffLimit=2)
    wanted["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    one = pod("a")
    one["status"]["containerStatuses"][0]["restartCount"] = 1
    assert conditions(decide(wanted, [one], NOW)) == {}
    one["status"]["containerStatuses"][0]["restartCount"] = 2
    assert conditions(decide(wanted, [one], NOW)) == {"FailureTarget": "BackoffLimitExceeded"}


def test_a_suspended_job_says_so_and_begins_its_time_anew() -> None:
    before = timestamp(NOW - timedelta(hours=1))
    suspended = decide(job({"startTime": before}, suspend=True), [], NOW)
    assert conditions(suspended) == {"Suspended": "JobSuspended"}
    assert [event.reason for event in suspended.events] == ["Suspended"]
    resumed = decide(job(suspended.status), [], NOW)
    assert resumed.status["startTime"] == timestamp(NOW)
    assert conditions(resumed) == {"Suspended": "JobResumed"}


def test_a_finished_job_is_deleted_when_its_time_is_over_and_not_before() -> None:
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": timestamp(NOW)}]}
    wanted = job(done, ttlSecondsAfterFinished=30)
    assert decide(wanted, [], NOW).requeue_after == 30
    assert not decide(wanted, [], NOW).expired
    assert decide(wanted, [], NOW + timedelta(seconds=30)).expired
    assert not decide(job(done), [], NOW + timedelta(days=9)).expired


def test_a_job_that_goes_lets_its_pods_go() -> None:
    going = job()
    going["metadata"]["deletionTimestamp"] = timestamp(NOW)
    decision = decide(going, [pod("a")], NOW)
    assert decision.create == ()
    assert len(decision.release) == 1


def test_a_job_of_another_controller_is_left_alone() -> None:
    assert decide(job(managedBy="example.com/queue"), [], NOW) == Decision()


def test_a_success_policy_ends_a_job_early() -> None:
    wanted = job(
        completionMode="Indexed",
        completions=3,
        parallelism=3,
        successPolicy={"rules": [{"succeededIndexes": "0"}]},
    )
    decision = decide(wanted, [pod("a", "Succeeded", index=0), pod("b", index=1)], NOW)
    assert conditions(decision) == {"SuccessCriteriaMet": "SuccessPolicy"}
    assert [one["metadata"]["name"] for one in decision.delete] == ["b"]


def test_an_indexed_pod_knows_its_index() -> None:
    wanted = job(completionMode="Indexed", completions=2)
    wanted["spec"]["template"]["spec"]["containers"] = [{"name": "main"}]
    made = pod_from(wanted, 1)
    assert made["metadata"]["generateName"] == "tune-1-"
    assert made["spec"]["hostname"] == "tune-1"
    assert made["metadata"]["annotations"] == {COMPLETION_INDEX: "1"}
    assert made["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    assert wanted["spec"]["template"]["spec"]["containers"] == [{"name": "main"}]


@given(st.sets(st.integers(0, 30)))
def test_indexes_are_read_as_they_are_written(indexes: set[int]) -> None:
    assert parse_indexes(format_indexes(indexes)) == indexes


@settings(deadline=None, max_examples=50)
@given(st.data(), st.integers(1, 6), st.integers(1, 4), st.booleans())
def test_whatever_is_lost_on_the_way_every_completion_is_counted_once(
    data: st.DataObject, completions: int, parallelism: int, indexed: bool
) -> None:
    """Each write of each decision may be the last before a crash; pods end in any order, some of them badly."""
    mode = "Indexed" if indexed else "NonIndexed"
    wanted = job(completions=completions, parallelism=parallelism, backoffLimit=99, completionMode=mode)
    pods: list[dict[str, Any]] = []
    names, now, succeeded = itertools.count(), NOW, 0
    for _ in range(60):
        now += timedelta(seconds=700)  # past any pause after a failure
        decision = decide(wanted, copy.deepcopy(pods), now)
        assert sum(one["status"]["phase"] == "Running" for one in pods) <= parallelism
        steps = data.draw(st.integers(0, 3), label="writes before the crash")
        if steps > 0:
            pods += [pod(f"p{next(names)}", index=index) for index in decision.create]
        if steps > 1:
            wanted["status"] = decision.status
        if steps > 2:
            gone = {one["metadata"]["uid"] for one in decision.release}
            pods = [released(one) if one["metadata"]["uid"] in gone else one for one in pods]
        if condition(wanted["status"], "Complete"):
            break
        for one in pods:
            if one["status"]["phase"] == "Running" and data.draw(st.booleans(), label="ends"):
                ends_well = data.draw(st.booleans(), label="well")
                one["status"] = pod("", "Succeeded" if ends_well else "Failed", ended=now)["status"]
                succeeded += ends_well
    if condition(wanted["status"], "Complete"):
        assert wanted["status"]["succeeded"] == succeeded == completions
