"""The controller against the embedded API server; the test plays everybody else: provisioner, kubelet, built-ins."""

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from kaito.api import MACHINE
from kaito.core import ApiError, InvalidError, Key, NotFoundError
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT, EVENT, POD, SECRET, SERVICE

KEY = Key("default", "workspace-phi-3-mini")


def truth(workspace):
    return {one["type"]: one["status"] for one in workspace["status"]["conditions"]}


async def test_a_workspace_goes_from_apply_to_ready_and_then_all_is_quiet(stage):
    await stage.client.create(stage.page)
    claiming = await stage.phase("ClaimingNodes")
    assert claiming["metadata"]["finalizers"] == ["workspace.finalizer.kaito.sh"]
    node = await stage.launch()
    await stage.phase("StartingModel")
    await stage.answer()
    ready = await stage.phase("Ready")
    assert set(truth(ready).values()) == {"True"}
    assert ready["status"]["workerNodes"] == [node]
    assert [row["phase"] for row in ready["status"]["timeline"]][-2:] == ["WaitingForNodes", "StartingModel"]
    assert all(row["seconds"] >= 0 for row in ready["status"]["timeline"])

    service = await stage.client.get(SERVICE, KEY)
    ports = [(one["port"], one["targetPort"]) for one in service["spec"]["ports"]]
    assert ports == [(80, 5000), (29500, 29500)]
    headless = await stage.client.get(SERVICE, Key("default", f"{KEY.name}-headless"))
    assert headless["spec"]["clusterIP"] == "None"
    config = await stage.client.get(CONFIG_MAP, Key("default", f"{KEY.name}-inference-config"))
    assert yaml.safe_load(config["data"]["inference_config.yaml"]) == {"vllm": {}}
    secret = await stage.client.get(SECRET, Key("default", f"{KEY.name}-admin"))
    for obj in (service, headless, config, secret):
        assert [owner["uid"] for owner in obj["metadata"]["ownerReferences"]] == [ready["metadata"]["uid"]]

    await asyncio.sleep(1.2)  # events are written behind; nothing else may come
    before = len(stage.requests())
    assert before > 8  # it can be seen at all
    labels = {"metadata": {"labels": {"touched": "yes"}}}
    await stage.client.patch(stage.raw, KEY, labels)  # one more reconcile
    await asyncio.sleep(0.7)
    assert stage.requests()[before:] == []


async def test_the_token_is_in_its_secret_and_nowhere_else(stage):
    await stage.client.create(stage.page)
    await stage.launch()
    secret = await stage.until(lambda: stage.client.get(SECRET, Key("default", f"{KEY.name}-admin")), bool)
    token = secret["data"]["token"]
    assert len(token) > 40
    await stage.phase("StartingModel")
    for kind in (stage.raw, DEPLOYMENT, CONFIG_MAP, SERVICE, EVENT, POD):
        assert token not in json.dumps((await stage.client.list(kind, "default")).items)


async def test_a_refused_quota_is_on_the_workspace_with_its_remedy_and_ends_when_there_is_quota(stage):
    await stage.client.create(stage.page)
    [machine] = await stage.until(stage.machines, bool)
    refused = {
        "type": "MachineLaunched",
        "status": "False",
        "reason": "QuotaExceeded",
        "message": "0 of 6 vCPUs are left. Ask for more at https://aka.ms/quota.",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    await stage._patch(MACHINE, Key("", machine["metadata"]["name"]), {"conditions": [refused]})
    failed = await stage.phase("Failed")
    assert failed["status"]["lastFailure"]["reason"] == "QuotaExceeded"
    assert failed["status"]["lastFailure"]["terminal"] is True
    assert "Ask for more" in failed["status"]["message"]
    events = await stage.until(
        lambda: stage.client.list(EVENT, "default"), lambda it: any(e["reason"] == "QuotaExceeded" for e in it.items)
    )
    assert [one["type"] for one in events.items if one["reason"] == "QuotaExceeded"] == ["Warning"]
    assert len(await stage.machines()) == 1

    await stage.launch()
    await stage.answer()
    ready = await stage.phase("Ready")
    assert "lastFailure" not in ready["status"]


async def test_deletion_leaves_nothing(stage):
    await stage.client.create(stage.page)
    await stage.launch()
    await stage.answer()
    await stage.phase("Ready")
    await stage.client.delete(stage.raw, KEY)
    await stage.until(stage.machines, lambda it: it == [])

    async def workspaces():
        return (await stage.client.list(stage.raw)).items

    await stage.until(workspaces, lambda it: it == [])
    with pytest.raises(NotFoundError):
        await stage.client.get(DEPLOYMENT, KEY)


async def test_a_restarted_controller_changes_nothing_of_a_ready_workspace(cluster):
    stage = cluster
    async with stage.running():
        await stage.client.create(stage.page)
        await stage.launch()
        await stage.answer()
        before = await stage.phase("Ready")
    async with stage.running():
        await asyncio.sleep(0.7)
        after = await stage.workspace()
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert len(await stage.machines()) == 1


async def test_two_workspaces_with_one_label_get_a_node_each(stage):
    await stage.client.create(stage.page)
    await stage.client.create({**stage.page, "metadata": {"name": "other", "namespace": "default"}})
    machines = await stage.until(stage.machines, lambda it: len(it) == 2)
    assert {one["metadata"]["labels"]["kaito.sh/workspace"] for one in machines} == {KEY.name, "other"}
    assert {one["metadata"]["labels"]["apps"] for one in machines} == {"phi-3"}


REFUSED = [
    ({"resource": {"instanceType": "x"}}, "resource.labelSelector"),
    ({"inference": {"preset": {"name": 3}}}, "inference.preset.name"),
    ({"tuning": {"method": "lora"}}, "tuning.input"),
    ({"inference": None}, "exactly one of inference and tuning"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
async def test_a_wrong_manifest_is_refused_at_apply_with_its_field(cluster, changes, said):
    wrong = {key: value for key, value in {**cluster.page, **changes}.items() if value is not None}
    with pytest.raises((InvalidError, ApiError)) as caught:
        await cluster.client.create(wrong)
    assert said in str(caught.value)


EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
async def test_every_manifest_of_the_page_is_accepted_as_it_is(client, path):
    for document in yaml.safe_load_all(path.read_text()):
        if document["kind"] == "Workspace":
            document["metadata"]["namespace"] = "default"
            assert (await client.create(document))["metadata"]["uid"]
