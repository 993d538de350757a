"""Evictions, and the disruption budgets that they ask."""

import pytest

POD = {
    "metadata": {"name": "p", "labels": {"app": "web"}},
    "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
}
PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
READY = [{"type": "Ready", "status": "True"}]
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}


async def pod(api, phase="Running", conditions=READY):
    await api("POST", PODS, POD)
    await api.merge(f"{PODS}/p/status", {"status": {"phase": phase, "conditions": conditions}})


async def budget(api, name="web", *, healthy=1, desired=1, allowed=0, observed=1, **spec):
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}, **spec}
    await api("POST", BUDGETS, {"metadata": {"name": name}, "spec": spec})
    status = {
        "observedGeneration": observed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": 1,
        "conditions": [
            {
                "type": "DisruptionAllowed",
                "status": "True",
                "reason": "SufficientPods",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    await api.merge(f"{BUDGETS}/{name}/status", {"status": status})


async def evict(api, **options):
    return await api("POST", f"{PODS}/p/eviction", {**EVICTION, "deleteOptions": options})


async def test_a_pod_without_a_budget_is_deleted_and_says_by_whom(api):
    await pod(api)
    assert (await evict(api)).code == 201
    left = (await api("GET", f"{PODS}/p")).body
    assert left["metadata"]["deletionTimestamp"]
    assert [one["reason"] for one in left["status"]["conditions"][1:]] == ["EvictionByEvictionAPI"]


async def test_a_budget_that_allows_nothing_keeps_the_pod(api):
    await pod(api)
    await budget(api)
    refused = await evict(api)
    assert refused.code == 429
    assert refused.body["details"]["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget web needs 1 healthy pods and has 1 currently"}
    ]
    assert "deletionTimestamp" not in (await api("GET", f"{PODS}/p")).body["metadata"]


async def test_a_budget_is_spent_and_says_for_whom(api):
    await pod(api)
    await budget(api, allowed=1, healthy=2)
    assert (await evict(api)).code == 201
    status = (await api("GET", f"{BUDGETS}/web")).body["status"]
    assert status["disruptionsAllowed"] == 0
    assert list(status["disruptedPods"]) == ["p"]
    assert [(one["status"], one["reason"]) for one in status["conditions"]] == [("False", "InsufficientPods")]


async def test_a_dry_run_spends_nothing(api):
    await pod(api)
    await budget(api, allowed=1, healthy=2)
    assert (await evict(api, dryRun=["All"])).code == 201
    assert (await api("GET", f"{BUDGETS}/web")).body["status"]["disruptionsAllowed"] == 1
    assert "deletionTimestamp" not in (await api("GET", f"{PODS}/p")).body["metadata"]


async def test_a_budget_that_its_controller_has_not_seen_yet_keeps_the_pod(api):
    await pod(api)
    await budget(api, allowed=1, healthy=2, observed=0)
    assert "still being processed" in (await evict(api)).body["details"]["causes"][0]["message"]


async def test_two_budgets_are_one_too_many(api):
    await pod(api)
    await budget(api, "one", allowed=1)
    await budget(api, "two", allowed=1)
    assert (await evict(api)).code == 500


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_a_pod_that_serves_nobody_goes_whatever_the_budget_says(api, phase):
    await pod(api, phase)
    await budget(api)
    assert (await evict(api)).code == 201


@pytest.mark.parametrize(("policy", "healthy", "code"), [(None, 1, 201), (None, 0, 429), ("AlwaysAllow", 0, 201)])
async def test_a_pod_that_is_not_ready_costs_no_disruption_while_enough_others_are(api, policy, healthy, code):
    await pod(api, conditions=[])
    await budget(api, healthy=healthy, **({"unhealthyPodEvictionPolicy": policy} if policy else {}))
    assert (await evict(api)).code == code


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"minAvailable": 1, "maxUnavailable": 1}, "minAvailable and maxUnavailable cannot be both set"),
        ({"minAvailable": -1}, "must be greater than or equal to 0"),
        ({"maxUnavailable": "101%"}, "must not be greater than 100%"),
        ({"maxUnavailable": "many"}, "a valid percent string"),
        ({"unhealthyPodEvictionPolicy": "Never"}, 'supported values: "AlwaysAllow", "IfHealthyBudget"'),
    ],
)
async def test_a_wrong_budget_is_refused(api, spec, words):
    refused = await api("POST", BUDGETS, {"metadata": {"name": "wrong"}, "spec": spec})
    assert refused.code == 422
    assert words in refused.body["message"]


async def test_a_budget_without_a_selector_covers_nothing(api):
    await pod(api)
    await api("POST", BUDGETS, {"metadata": {"name": "none"}, "spec": {"minAvailable": 1}})
    assert (await evict(api)).code == 201
