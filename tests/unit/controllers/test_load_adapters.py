"""Adapters of a serving Workspace: what is written and told, what restarts nothing, and what the status says."""

import json
from dataclasses import replace

import pytest
import yaml

from kaito.api import AdapterState
from kaito.contracts import adapter_set_digest
from kaito.controllers.options import Settings
from kaito.controllers.workspace import decide
from kaito.controllers.workspace.known import Credentials, Refusal
from kaito.controllers.workspace.slots import slot_for
from kaito.controllers.workspace.step import Apply, CopyCredentials, DeleteCredentials
from kaito.controllers.workspace.wanted import wanted_set

HEAD = """
metadata: {name: phi, namespace: team}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {apps: phi-3}}}
inference:
  preset: {name: phi-3-mini-4k-instruct}
  adapters: """
POEMS = "{source: {name: poems, image: 'reg.example.org/poems:1'}}"
PRIVATE = "{source: {name: poems, image: 'reg.example.org/poems:1', imagePullSecrets: [login]}}"
VOLUME = "{source: {name: prose, volumeSource: {hostPath: {path: /prose}}}}"
NAMES = {"poems": {"name": "poems", "state": "Ready", "reason": "", "message": "", "digest": "sha256:1", "rank": 8}}


def workspace(a, *adapters, **status):
    return a.workspace(HEAD + json.dumps([yaml.safe_load(one) for one in adapters]), status=status)


def in_force(one, generation=None):
    wanted = wanted_set(one)
    return {"generation": generation or wanted["generation"], "digest": adapter_set_digest(wanted)}


def serving(a, one, *adapters, told=None, pods=1, **parts):
    """A serving Workspace whose pods have these adapters and work towards `told` (None: what is wanted)."""
    status = {**a.running_pod, "conditions": [{"type": "Ready", "status": "True"}]}
    found = tuple(a.pod(status, uid=f"pod-{number}", name=f"phi-{number}") for number in range(1, pods + 1))
    runtime = a.runtime("ready", adapters=adapters) | {"adapterSet": told or in_force(one)}
    statuses = {pod.metadata.uid: runtime for pod in found}
    return a.serving(one, **{"pods": found, "runtime": statuses, **parts})


def adapters_of(decision):
    return {one.name: (one.state, one.reason) for one in decision.status.adapters}


def applied(decision, name):
    actions = [action.obj for action in decision.actions if isinstance(action, Apply)]
    return next((obj for obj in actions if (obj["kind"], obj["metadata"]["name"]) == name), None)


def test_an_edited_set_is_written_and_told_and_changes_no_pod(a):
    before, after = workspace(a, VOLUME), workspace(a, POEMS, VOLUME.replace("}}}", "}}, strength: '0.5'}").strip())
    pod = applied(decide(serving(a, before), a.now), ("Deployment", "phi"))
    decision = decide(serving(a, after, told=in_force(before), deployment=a.deployment(workspace=before)), a.now)
    assert applied(decision, ("Deployment", "phi")) == pod
    config = applied(decision, ("ConfigMap", "phi-adapters"))
    assert json.loads(config["data"]["adapters.json"]) == wanted_set(after)
    assert [(one.pod.metadata.name, one.adapter_set) for one in decision.errands] == [("phi-1", wanted_set(after))]
    assert decision.status.phase == "Ready"


def test_a_server_that_has_the_set_is_told_nothing(a):
    assert decide(serving(a, workspace(a, POEMS), NAMES["poems"]), a.now).errands == ()


NOT_TOLD = {
    "a set that is newer than we know": {"told": {"generation": 9, "digest": "sha256:other"}},
    "no to it": {"refused": {"pod-1": Refusal(1, "no")}},
}


@pytest.mark.parametrize("case", NOT_TOLD)
def test_a_server_that_has_or_said_is_told_nothing(a, case):
    parts = {"told": {"generation": 1, "digest": "sha256:other"}, **NOT_TOLD[case]}
    assert decide(serving(a, workspace(a, POEMS), **parts), a.now).errands == ()


STAGES = {"importing": 0, "loading": 1, "warming": 1, "ready": 1, "draining": 0, "failed": 0}


@pytest.mark.parametrize("stage", STAGES)
def test_servers_are_told_as_soon_as_they_listen_and_not_when_they_end(a, stage):
    snapshot = serving(a, workspace(a, POEMS))
    decision = decide(replace(snapshot, runtime={"pod-1": a.runtime(stage)}), a.now)
    assert len(decision.errands) == STAGES[stage]


def test_each_pod_is_told_by_itself(a):
    one = workspace(a, POEMS)
    snapshot = serving(a, one, pods=2)
    old = a.runtime("ready") | {"adapterSet": {"generation": 1, "digest": "sha256:old"}}
    decision = decide(replace(snapshot, runtime=snapshot.runtime | {"pod-2": old}), a.now)
    assert [errand.pod.metadata.name for errand in decision.errands] == ["phi-2"]


def test_the_set_is_written_before_there_is_a_pod(a):
    kinds = [
        action.obj["metadata"]["name"]
        for action in decide(a.serving(workspace(a, POEMS), deployment=None), a.now).actions
        if isinstance(action, Apply)
    ]
    assert kinds.index("phi-adapters") < kinds.index("phi-inference-config")


def test_the_status_has_each_adapter_in_the_order_of_the_spec_then_the_others(a):
    one = workspace(a, POEMS, VOLUME)
    whole = {"name": "phi", "state": "Loading", "reason": "", "message": "2 adapters", "rank": 24}
    ready = {**NAMES["poems"], "sizeBytes": 7, "seconds": 0.12345, "strength": "1"}
    decision = decide(serving(a, one, whole, ready), a.now)
    assert decision.status.adapters == (
        AdapterState(
            name="poems",
            state="Ready",
            source="reg.example.org/poems:1",
            digest="sha256:1",
            rank=8,
            size_bytes=7,
            seconds=0.123,
        ),
        AdapterState(
            name="prose",
            state="Pending",
            message="The server has not begun with prose yet.",
            source='volume {"hostPath": {"path": "/prose"}}',
        ),
        AdapterState(name="phi", state="Loading", message="2 adapters", rank=24),
    )
    assert [(one.type, one.reason) for one in decision.occurrences if "dapter" in one.reason] == [
        ("Normal", "AdapterReady")
    ]


def test_the_worst_of_the_pods_counts_and_each_is_named_where_they_differ(a):
    one = workspace(a, POEMS)
    snapshot = serving(a, one, NAMES["poems"], pods=2)
    failed = {"name": "poems", "state": "Failed", "reason": "DiskFull", "message": "no room"}
    other = a.runtime("ready", adapters=[failed]) | {"adapterSet": in_force(one)}
    [state] = decide(replace(snapshot, runtime=snapshot.runtime | {"pod-2": other}), a.now).status.adapters
    assert (state.state, state.reason, state.message) == ("Failed", "DiskFull", "no room")
    assert [(pod.name, pod.state) for pod in state.pods] == [("phi-2", "Failed"), ("phi-1", "Ready")]


def test_a_new_image_is_pending_until_the_server_knows_of_it_whatever_it_has_under_that_name(a):
    old = workspace(a, POEMS, VOLUME)
    first = decide(serving(a, old, NAMES["poems"]), a.now).status
    new = workspace(a, POEMS.replace(":1", ":2"), VOLUME, **first.wire())
    told = serving(a, new, NAMES["poems"], told=in_force(old), deployment=a.deployment(workspace=old))
    second = decide(told, a.now)
    assert adapters_of(second)["poems"] == ("Pending", "")
    assert "Pod phi-1 is being told of it." in second.status.adapters[0].message
    again = decide(
        replace(told, workspace=workspace(a, POEMS.replace(":1", ":2"), VOLUME, **second.status.wire())), a.now
    )
    assert again.status == second.status


def test_adapters_that_an_edit_leaves_alone_stay_as_they_are(a):
    old = workspace(a, POEMS)
    first = decide(serving(a, old, NAMES["poems"]), a.now).status
    new = workspace(a, POEMS, "{source: {name: more, image: 'reg.example.org/more:1'}}", **first.wire())
    decision = decide(serving(a, new, NAMES["poems"], told=in_force(old)), a.now)
    assert adapters_of(decision) == {"poems": ("Ready", ""), "more": ("Pending", "")}


def test_a_server_that_is_not_heard_keeps_what_it_said(a):
    first = decide(serving(a, workspace(a, POEMS), NAMES["poems"]), a.now).status
    silent = serving(a, workspace(a, POEMS, **first.wire()), runtime={})
    assert decide(silent, a.later(1)).status == first
    gone = replace(silent, pods=())
    assert adapters_of(decide(gone, a.later(1))) == {"poems": ("Pending", "")}


@pytest.mark.parametrize("heard", [True, False])
def test_an_adapter_is_not_ready_while_its_only_server_starts_again(a, heard):
    whole = {**NAMES["poems"], "name": "phi"}
    first = decide(serving(a, workspace(a, POEMS), NAMES["poems"], whole), a.now).status
    runtime = {"pod-1": a.runtime("importing")} if heard else {}
    again = serving(a, workspace(a, POEMS, **first.wire()), runtime=runtime)
    decision = decide(replace(again, pods=(a.pod(a.running_pod),)), a.now)
    assert adapters_of(decision) == {"poems": ("Pending", ""), **({} if heard else {"phi": ("Pending", "")})}
    poems = decision.status.adapters[0]
    assert (poems.digest, poems.rank) == ("sha256:1", 8)


def test_a_removed_adapter_is_in_the_status_until_the_server_has_let_it_go(a):
    draining = {"name": "poems", "state": "Draining", "reason": "", "message": "2 requests run"}
    one = a.workspace()
    assert adapters_of(decide(serving(a, one, draining), a.now)) == {"poems": ("Draining", "")}
    assert decide(serving(a, one), a.now).status.adapters == ()


def test_what_a_server_says_no_to_is_at_the_adapter_that_it_is_about(a):
    one = workspace(a, POEMS, "{source: {name: more, image: 'reg.example.org/more:1'}}")
    snapshot = serving(a, one, told={"generation": 1, "digest": "sha256:old"})
    refused = {"pod-1": Refusal(1, "the name is taken", "more", "NameTaken")}
    decision = decide(replace(snapshot, refused=refused), a.now)
    assert adapters_of(decision) == {"poems": ("Pending", ""), "more": ("Failed", "NameTaken")}
    assert "the name is taken" in decision.status.adapters[0].message
    assert [one.reason for one in decision.occurrences if one.type == "Warning"] == ["AdapterFailed"]


def test_pull_secrets_are_copied_after_the_config_map_that_says_so_and_looked_at_again(a):
    one = workspace(a, PRIVATE)
    decision = decide(serving(a, one), a.now)
    config, copy, *_ = decision.actions
    assert config.obj["metadata"]["annotations"] == {"kaito.sh/adapter-credentials": "phi-adapter-credentials"}
    assert copy == CopyCredentials(("login",))
    known = Credentials(("login",), due_in=300, doubted_in=2)
    later = decide(serving(a, one, NAMES["poems"], credentials=known, has_credentials=True), a.now)
    assert CopyCredentials(("login",)) not in later.actions
    assert later.again == 300


DOUBTED = {
    "a Secret is missing": {"problems": {"login": "there is no Secret team/login."}},
    "a registry lets nobody in": {},
}


@pytest.mark.parametrize("case", DOUBTED)
def test_wrong_credentials_are_at_the_adapter_and_are_looked_at_soon(a, case):
    refused = {"name": "poems", "state": "Failed", "reason": "SourceUnauthorized", "message": "401"}
    known = Credentials(("login",), due_in=300, doubted_in=2, **DOUBTED[case])
    snapshot = serving(a, workspace(a, PRIVATE), refused, credentials=known, has_credentials=True)
    decision = decide(snapshot, a.now)
    assert adapters_of(decision) == {"poems": ("Failed", "SourceUnauthorized")}
    assert decision.status.adapters[0].message == (known.problems.get("login") or "401")
    assert decision.again == 2
    due = decide(replace(snapshot, credentials=replace(known, doubted_in=0)), a.now)
    assert CopyCredentials(("login",)) in due.actions


def test_an_adapter_that_is_served_without_its_secret_is_ready(a):
    known = Credentials(("login",), problems={"login": "gone"}, due_in=300, doubted_in=2)
    snapshot = serving(a, workspace(a, PRIVATE), NAMES["poems"], credentials=known, has_credentials=True)
    assert adapters_of(decide(snapshot, a.now)) == {"poems": ("Ready", "")}


def test_credentials_that_nothing_needs_are_deleted_before_they_are_forgotten(a):
    decision = decide(serving(a, workspace(a, POEMS), NAMES["poems"], has_credentials=True), a.now)
    delete, config, *_ = decision.actions
    assert delete == DeleteCredentials()
    assert config.obj["metadata"]["annotations"] == {}


LARGE = {"name": "poems", "state": "Failed", "reason": "RankAboveSlot", "message": "x", "rank": 100}


def lora_flag(decision):
    deployment = applied(decision, ("Deployment", "phi"))
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return next(arg for arg in args if arg.startswith("--max-lora-rank"))


def test_a_higher_rank_is_told_first_then_rolls_the_pod_once(a):
    first = decide(serving(a, workspace(a, POEMS), LARGE), a.now)
    assert lora_flag(first) == "--max-lora-rank=64"
    assert adapters_of(first) == {"poems": ("Failed", "RankAboveSlot")}
    assert "the server restarts with slots of rank 128" in first.status.adapters[0].message

    told = workspace(a, POEMS, **first.status.wire())
    second = decide(serving(a, told, LARGE), a.now)
    assert lora_flag(second) == "--max-lora-rank=128"
    assert "The server restarts: adapters need slots of rank 128." in second.status.message

    rolled = a.deployment(workspace=told, rank=128)
    again = decide(serving(a, told, LARGE, deployment=rolled), a.now)
    assert lora_flag(again) == "--max-lora-rank=128"

    without = workspace(a)
    assert lora_flag(decide(serving(a, without, deployment=a.deployment(workspace=without, rank=128)), a.now)) == (
        "--max-lora-rank=128"
    )


@pytest.mark.parametrize("rank", ["", "many", "65", "²"])
def test_a_rank_that_was_written_on_the_deployment_by_somebody_else_is_passed_over(a, rank):
    one = workspace(a, observedGeneration=1)
    decision = decide(serving(a, one, deployment=a.deployment(rank=rank)), a.now)
    assert lora_flag(decision) == "--max-lora-rank=64"


def test_all_adapters_together_may_need_a_larger_slot_too(a):
    whole = {**LARGE, "name": "phi", "rank": 72}
    first = decide(serving(a, workspace(a, POEMS), NAMES["poems"], whole), a.now)
    second = decide(serving(a, workspace(a, POEMS, **first.status.wire()), NAMES["poems"], whole), a.now)
    assert lora_flag(second) == "--max-lora-rank=128"


def test_a_pod_that_is_made_anew_anyway_gets_the_slots_that_its_adapters_need(a):
    edited = workspace(
        a, POEMS, VOLUME, observedGeneration=1, adapters=[{"name": "poems", "state": "Ready", "rank": 8}]
    )
    decision = decide(serving(a, edited, deployment=a.deployment(workspace=workspace(a, POEMS), rank=512)), a.now)
    assert lora_flag(decision) == "--max-lora-rank=64"


@pytest.mark.parametrize(
    ("weights", "rank", "said"),
    [("stand-in", 513, "vLLM has slots up to rank 512"), ("/models", 512, "more of each GPU")],
)
def test_a_rank_that_no_restart_would_serve_restarts_nothing(a, weights, rank, said):
    one = workspace(a, POEMS)
    parts = {"settings": Settings(weights=weights), "deployment": a.deployment(workspace=one)}
    first = decide(serving(a, one, {**LARGE, "rank": rank}, **parts), a.now)
    assert adapters_of(first) == {"poems": ("Failed", "RankTooLarge")}
    assert said in first.status.adapters[0].message
    second = decide(serving(a, workspace(a, POEMS, **first.status.wire()), {**LARGE, "rank": rank}, **parts), a.now)
    assert lora_flag(second) == "--max-lora-rank=64"


@pytest.mark.parametrize(("rank", "slot"), [(1, 8), (8, 8), (9, 16), (257, 320), (321, 512), (512, 512), (513, None)])
def test_a_slot_is_the_smallest_that_takes_the_rank(rank, slot):
    assert slot_for(rank) == slot


def test_an_edit_that_nobody_can_act_on_leaves_what_is_said_of_adapters(a):
    first = decide(serving(a, workspace(a, POEMS), NAMES["poems"]), a.now).status
    spoilt = workspace(a, POEMS.replace("reg.example.org", "ACR_REPO_HERE"), **first.wire())
    decision = decide(serving(a, spoilt, NAMES["poems"]), a.now)
    assert decision.status.last_failure.reason == "PlaceholdersLeft"
    assert decision.status.adapters == first.adapters
    assert decision.errands == ()


def test_an_adapter_is_ready_when_services_send_its_pod_requests(a):
    snapshot = serving(a, workspace(a, POEMS), NAMES["poems"])
    starting = replace(snapshot, pods=(a.pod(a.running_pod),))
    assert adapters_of(decide(starting, a.now)) == {"poems": ("Loading", "")}
    assert adapters_of(decide(snapshot, a.now)) == {"poems": ("Ready", "")}
