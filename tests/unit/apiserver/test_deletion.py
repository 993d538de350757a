"""Deleting: what goes at once, what waits, and for whom."""

import pytest

CONFIG_MAPS, PODS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/pods"


async def make(api, path: str = CONFIG_MAPS, **meta):
    body = {"metadata": {"name": "a", **meta}}
    if path == PODS:
        body["spec"] = {"containers": [{"name": "main", "image": "nginx"}], "nodeName": meta.pop("node", "gpu-1")}
    return (await api("POST", path, body)).body


async def test_an_object_that_nothing_holds_goes_at_once(api):
    made = await make(api)
    answer = await api("DELETE", f"{CONFIG_MAPS}/a")
    assert answer.body["status"] == "Success"
    assert answer.body["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await api("GET", f"{CONFIG_MAPS}/a")).code == 404
    assert (await api("DELETE", f"{CONFIG_MAPS}/a")).code == 404


async def test_finalizers_hold_an_object_until_the_last_is_gone(api):
    await make(api, finalizers=["example.org/x"])
    held = (await api("DELETE", f"{CONFIG_MAPS}/a")).body
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    again = (await api("DELETE", f"{CONFIG_MAPS}/a")).body
    assert again["metadata"]["resourceVersion"] == held["metadata"]["resourceVersion"]
    added = await api.merge(f"{CONFIG_MAPS}/a", {"metadata": {"finalizers": ["example.org/x", "example.org/y"]}})
    assert added.code == 422
    assert "no new finalizers can be added if the object is being deleted" in added.body["message"]
    assert (await api.merge(f"{CONFIG_MAPS}/a", {"metadata": {"finalizers": None}})).code == 200
    assert (await api("GET", f"{CONFIG_MAPS}/a")).code == 404


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
async def test_the_propagation_policy_is_left_to_the_garbage_collector_as_a_finalizer(api, policy, finalizer):
    await make(api)
    held = await api("DELETE", f"{CONFIG_MAPS}/a", propagationPolicy=policy)
    assert held.body["metadata"]["finalizers"] == [finalizer]
    assert (await api("DELETE", f"{CONFIG_MAPS}/a", propagationPolicy="Background")).body["status"] == "Success"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"preconditions": {"uid": "another"}}, 409),
        ({"preconditions": {"resourceVersion": "1"}}, 409),
        ({"propagationPolicy": "Sideways"}, 422),
        ({"dryRun": ["All"]}, 200),
    ],
)
async def test_what_must_hold_is_checked_and_dry_runs_delete_nothing(api, body, code):
    await make(api)
    assert (await api("DELETE", f"{CONFIG_MAPS}/a", body)).code == code
    assert (await api("GET", f"{CONFIG_MAPS}/a")).code == 200


async def test_a_running_pod_has_its_grace_until_the_kubelet_confirms(api):
    await make(api, PODS)
    going = (await api("DELETE", f"{PODS}/a")).body["metadata"]
    assert going["deletionGracePeriodSeconds"] == 30
    shorter = (await api("DELETE", f"{PODS}/a", gracePeriodSeconds=5)).body["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    longer = (await api("DELETE", f"{PODS}/a", gracePeriodSeconds=60)).body["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 5
    assert (await api("DELETE", f"{PODS}/a", gracePeriodSeconds=0)).code == 200
    assert (await api("GET", f"{PODS}/a")).code == 404


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_finished_pod_goes_at_once(api, phase):
    await make(api, PODS)
    await api.merge(f"{PODS}/a/status", {"status": {"phase": phase}})
    assert (await api("DELETE", f"{PODS}/a")).body["metadata"]["deletionGracePeriodSeconds"] == 0


async def test_a_pod_that_no_node_has_goes_at_once(api):
    await make(api, PODS, node="")
    assert (await api("DELETE", f"{PODS}/a")).body["metadata"]["deletionGracePeriodSeconds"] == 0


async def test_a_collection_is_deleted_by_its_selector(api):
    for name, team in (("a", "x"), ("b", "x"), ("c", "y")):
        await make(api, name=name, labels={"team": team})
    deleted = await api("DELETE", CONFIG_MAPS, labelSelector="team=x")
    assert [item["metadata"]["name"] for item in deleted.body["items"]] == ["a", "b"]
    left = await api("GET", CONFIG_MAPS)
    assert [item["metadata"]["name"] for item in left.body["items"]] == ["c"]


async def test_an_eviction_deletes_the_pod(api):
    await make(api, PODS)
    body = {"metadata": {"name": "a"}, "deleteOptions": {"gracePeriodSeconds": 0}}
    assert (await api("POST", f"{PODS}/a/eviction", body)).code == 201
    assert (await api("GET", f"{PODS}/a")).code == 404
