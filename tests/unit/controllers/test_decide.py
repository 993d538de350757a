"""What is decided in each situation of a Workspace's life."""

from dataclasses import replace

import pytest

from kaito.api import WORKSPACE_FINALIZER
from kaito.controllers.options import Settings
from kaito.controllers.workspace import decide
from kaito.controllers.workspace.claims import claim_name
from kaito.controllers.workspace.step import Apply, Create, CreateAdminSecret, Delete, SetFinalizers


def conditions(status):
    return {entry.type: (entry.status, entry.reason) for entry in status.conditions}


def test_a_new_workspace_gets_its_finalizer_before_its_claim_is_posted(a):
    decision = decide(a.snapshot(a.workspace(finalizers=())), a.now)
    assert [type(action) for action in decision.actions] == [SetFinalizers, Create]
    assert decision.actions[0].finalizers == (WORKSPACE_FINALIZER,)


def test_a_finalizer_of_someone_else_is_kept(a):
    decision = decide(a.snapshot(a.workspace(finalizers=("other/keep",))), a.now)
    assert decision.actions[0].finalizers == ("other/keep", WORKSPACE_FINALIZER)


def test_the_claim_asks_for_the_size_under_the_one_name_it_can_have(a):
    [create] = decide(a.snapshot(), a.now).actions
    machine = create.obj
    assert machine["metadata"]["name"] == claim_name(a.uid, 0)
    assert len(machine["metadata"]["name"]) == 11
    assert machine["metadata"]["labels"] == {
        "karpenter.sh/provisioner-name": "default",
        "kaito.sh/workspace": "phi",
        "kaito.sh/workspacenamespace": "team",
        "apps": "phi-3",
    }
    requirements = {entry["key"]: entry["values"] for entry in machine["spec"]["requirements"]}
    assert requirements == {
        "node.kubernetes.io/instance-type": ["Standard_NC6s_v3"],
        "karpenter.sh/provisioner-name": ["default"],
        "kaito.sh/machine-type": ["gpu"],
        "kubernetes.io/arch": ["amd64"],
        "kubernetes.io/os": ["linux"],
    }
    assert machine["spec"]["taints"] == [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}]
    assert machine["spec"]["resources"]["requests"] == {"storage": "87Gi", "nvidia.com/gpu": "1"}


def test_the_status_says_what_was_asked_for_and_the_plan(a):
    status = decide(a.snapshot(), a.now).status
    assert status.phase == "ClaimingNodes"
    assert status.state == "Pending"
    assert "1 node of Standard_NC6s_v3" in status.message
    assert (status.plan.sku, status.plan.max_model_len, status.plan.dtype) == ("Standard_NC6s_v3", 4096, "float16")
    assert "stand-in" in status.plan.weights
    assert status.target_node_count == 1
    assert conditions(status)["ResourceReady"] == ("False", "ClaimingNodes")


@pytest.mark.parametrize(
    "claim", [{"deleting": True}, {}, {"status": "False", "reason": "QuotaExceeded"}], ids=["going", "new", "failed"]
)
def test_one_node_never_gets_a_second_claim(a, claim):
    decision = decide(a.snapshot(claims=(a.claim(**claim),)), a.now)
    assert not [action for action in decision.actions if isinstance(action, Create)]


def test_claims_of_another_workspace_with_the_same_labels_are_not_counted(a):
    other = a.ready_claim(uid="another")
    decision = decide(a.snapshot(claims=(other,)), a.now)
    assert [type(action) for action in decision.actions] == [Delete, Create]
    assert decision.actions[0].uid == other.uid


REFUSED = [
    ("phi-3-mini-4k-instuct", "Standard_NC6s_v3", "UnknownPreset", "phi-3-mini-4k-instruct"),
    ("phi-3-mini-4k-instruct", "Standard_NC6s_v33", "UnknownSKU", "Standard_NC6s_v3, "),
    ("phi-3-mini-4k-instruct", "Standard_NV12ads_A10_v5", "PresetDoesNotFit", "7.1Gi"),
]


@pytest.mark.parametrize(("preset", "sku", "reason", "said"), REFUSED, ids=[row[2] for row in REFUSED])
def test_what_cannot_work_ends_before_anything_is_bought(a, preset, sku, reason, said):
    text = a.manifest.replace("phi-3-mini-4k-instruct", preset).replace("Standard_NC6s_v3", sku)
    decision = decide(a.snapshot(a.workspace(text)), a.now)
    assert not [action for action in decision.actions if isinstance(action, Create)]
    status = decision.status
    assert (status.phase, status.state) == ("Failed", "Failed")
    assert status.last_failure.reason == reason
    assert status.last_failure.terminal
    assert said in status.message
    assert conditions(status)["ResourceReady"] == ("False", reason)
    assert [(one.type, one.reason) for one in decision.occurrences] == [("Warning", reason)]


GATED = """
metadata: {name: llama, namespace: team}
resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: llama}}}
inference: {preset: {name: llama-3.1-8b-instruct}}
"""


def test_a_gated_model_without_a_token_ends_before_anything_is_bought(a):
    decision = decide(a.snapshot(a.workspace(GATED), settings=Settings(weights="hub")), a.now)
    assert not [action for action in decision.actions if isinstance(action, Create)]
    assert decision.status.last_failure.reason == "ModelAccessRequired"
    assert "modelAccessSecret" in decision.status.message
    assert "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct" in decision.status.last_failure.remedy


@pytest.mark.parametrize(
    ("weights", "options"),
    [("stand-in", ""), ("/models", ""), ("hub", ", presetOptions: {modelAccessSecret: token}")],
)
def test_a_gated_model_is_served_with_a_token_or_from_elsewhere(a, weights, options):
    text = GATED.replace("instruct}", f"instruct{options}}}")
    decision = decide(a.snapshot(a.workspace(text), settings=Settings(weights=weights)), a.now)
    assert [type(action) for action in decision.actions] == [Create]


NOT_SERVED = {
    "TuningNotSupported": "tuning: {preset: {name: phi-3-mini-4k-instruct}, method: lora, input: {urls: [x]}, "
    "output: {volumeSource: {}}}",
    "TemplateNotSupported": "inference: {template: {spec: {}}}",
    "AdaptersNotSupported": "inference: {preset: {name: falcon-7b}, adapters: [{source: {name: x, image: 'reg/x:1'}}]}",
}


@pytest.mark.parametrize("reason", NOT_SERVED)
def test_what_cannot_be_served_is_said_before_anything_is_bought(a, reason):
    head = a.manifest.rpartition("inference:")[0].replace("Standard_NC6s_v3", "Standard_NC24ads_A100_v4")
    decision = decide(a.snapshot(a.workspace(head + NOT_SERVED[reason], finalizers=())), a.now)
    assert not [action for action in decision.actions if not isinstance(action, SetFinalizers)]
    assert decision.status.last_failure.reason == reason


def test_placeholders_left_in_are_named_with_their_fields(a):
    adapter = "adapters: [{source: {name: x, image: ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1}}]"
    text = a.manifest.replace("4k-instruct}}", "4k-instruct}, " + adapter + "}")
    decision = decide(a.snapshot(a.workspace(text, finalizers=())), a.now)
    assert decision.actions == ()
    assert decision.status.last_failure.reason == "PlaceholdersLeft"
    assert "inference.adapters[0].source.image (ACR_REPO_HERE, ADAPTER_HERE)" in decision.status.message


@pytest.mark.parametrize("reason", ["QuotaExceeded", "SKUNotAvailable", "InvalidConfiguration"])
def test_a_claim_that_can_never_launch_ends_the_workspace_with_its_own_words(a, reason):
    claim = a.claim(status="False", reason=reason, message="0 of 6 cores left. Ask for more quota.")
    status = decide(a.snapshot(claims=(claim,)), a.now).status
    assert status.phase == "Failed"
    assert status.last_failure.terminal
    assert status.last_failure.reason == reason
    assert status.message.startswith(f"{reason}: ")
    assert "Ask for more quota." in status.message
    assert conditions(status)["ResourceReady"] == ("False", reason)
    assert conditions(status)["MachineReady"] == ("False", reason)


def test_a_claim_that_is_tried_again_says_why_and_that_it_goes_on(a):
    claim = a.claim(status="Unknown", reason="InsufficientCapacity", message="No machine free. Next retry at 03:05.")
    decision = decide(a.snapshot(claims=(claim,)), a.now)
    status = decision.status
    assert status.phase == "ClaimingNodes"
    assert status.last_failure.reason == "InsufficientCapacity"
    assert not status.last_failure.terminal
    assert "Next retry" in status.message
    assert decision.occurrences[0].type == "Warning"


JOINING = [
    ("MachineRegistered", "Unknown", {}, "NodesNotReady", "its node is still to come"),
    ("MachineInitialized", "False", {}, "NoGPU", "no plugin"),
    ("Ready", "True", {}, "NodesNotReady", "is not seen"),
    ("Ready", "True", {"ready": False}, "NodeNotReady", "kubelet is down"),
    ("Ready", "True", {"gpus": 0}, "NodeWithoutGPU", "0 of 1 GPUs"),
]


@pytest.mark.parametrize(("condition", "status", "node", "reason", "said"), JOINING)
def test_a_node_that_is_not_there_yet_is_waited_for_with_a_reason(a, condition, status, node, reason, said):
    claim = a.claim(condition, status, "NoGPU" if status == "False" else "", "no plugin" if status == "False" else "")
    nodes = {claim.node_name: a.node(claim.node_name, **node)} if node else {}
    decision = decide(a.snapshot(claims=(claim,), nodes=nodes), a.now)
    assert decision.actions == ()
    assert decision.status.phase == "WaitingForNodes"
    assert said in decision.status.message
    assert conditions(decision.status)["ResourceReady"] == ("False", reason)


def test_with_its_node_the_workload_is_applied_secret_first_deployment_last(a):
    decision = decide(a.serving(deployment=None), a.now)
    adapters, secret, *others = decision.actions
    assert adapters.obj["metadata"]["name"] == "phi-adapters"
    assert secret == CreateAdminSecret("phi-admin")
    kinds = [action.obj["kind"] for action in others if isinstance(action, Apply)]
    assert kinds == ["Service", "Service", "ConfigMap", "Deployment"]
    assert decision.status.phase == "StartingModel"
    assert conditions(decision.status)["ResourceReady"] == ("True", "NodesReady")
    assert conditions(decision.status)["MachineReady"] == ("True", "MachinesReady")
    assert conditions(decision.status)["InferenceReady"][0] == "False"


STAGES = [
    ("importing", "StartingModel", "StartingServer"),
    ("loading", "LoadingWeights", "LoadingWeights"),
    ("warming", "Warming", "Warming"),
    ("ready", "Warming", "RollingOut"),
]


@pytest.mark.parametrize(("stage", "phase", "reason"), STAGES)
def test_the_servers_own_stage_becomes_the_phase(a, stage, phase, reason):
    snapshot = a.serving(
        deployment=a.deployment(available=0),
        pods=(a.pod(a.running_pod),),
        runtime={"pod-1": a.runtime(stage, message="41 of 67 GB")},
    )
    status = decide(snapshot, a.now).status
    assert status.phase == phase
    assert status.message.endswith("41 of 67 GB") == (stage != "ready")
    assert conditions(status)["InferenceReady"] == ("False", reason)


def test_a_servers_failure_is_told_with_its_remedy(a):
    failure = {"reason": "NotEnoughMemory", "message": "KV cache needs 3 GiB.", "remedy": "Shorten max-model-len."}
    snapshot = a.serving(
        deployment=a.deployment(available=0),
        pods=(a.pod(a.running_pod),),
        runtime={"pod-1": a.runtime("failed", failure=failure)},
    )
    status = decide(snapshot, a.now).status
    assert status.last_failure.reason == "NotEnoughMemory"
    assert status.message.endswith("Shorten max-model-len.")


def test_what_is_in_a_servers_way_is_told_while_it_goes_on_trying(a):
    failure = {"reason": "HubUnreachable", "message": "Connection refused.", "remedy": "It goes on by itself."}
    snapshot = a.serving(
        deployment=a.deployment(available=0),
        pods=(a.pod(a.running_pod),),
        runtime={"pod-1": a.runtime("loading", failure=failure)},
    )
    status = decide(snapshot, a.now).status
    assert status.phase == "LoadingWeights"
    assert (status.last_failure.reason, status.last_failure.terminal) == ("HubUnreachable", False)
    assert conditions(status)["InferenceReady"] == ("False", "HubUnreachable")


def test_a_workspace_whose_pod_answers_is_ready_and_says_that_it_is_a_stand_in(a):
    decision = decide(a.serving(), a.now)
    status = decision.status
    assert (status.phase, status.state) == ("Ready", "Ready")
    assert status.endpoint == "http://phi.team.svc/v1"
    assert "stand-in" in status.message
    assert {name: value[0] for name, value in conditions(status).items()} == {
        "MachineReady": "True",
        "ResourceReady": "True",
        "InferenceReady": "True",
        "WorkspaceReady": "True",
        "WorkspaceSucceeded": "True",
    }
    assert status.worker_nodes == (claim_name(a.uid, 0),)
    assert status.last_failure is None


def test_a_node_lost_later_makes_it_not_ready_and_keeps_the_workload(a):
    ready = decide(a.serving(), a.now).status
    name = claim_name(a.uid, 0)
    snapshot = a.serving(
        a.workspace(status=ready.wire()), nodes={name: a.node(name, ready=False)}, deployment=a.deployment(available=0)
    )
    decision = decide(snapshot, a.later(60))
    assert decision.actions == ()
    assert (decision.status.phase, decision.status.state) == ("WaitingForNodes", "NotReady")
    assert decision.status.last_failure.reason == "NodeNotReady"


def test_a_new_release_restarts_no_pod_until_the_spec_changes(a):
    def image(snapshot):
        [deployment] = [one.obj for one in decide(snapshot, a.now).actions if one.obj["kind"] == "Deployment"]
        return deployment["spec"]["template"]["spec"]["containers"][0]["image"], deployment["metadata"]["annotations"]

    snapshot = a.serving()
    first, annotations = image(snapshot)
    upgraded = replace(
        snapshot,
        settings=replace(snapshot.settings, runtime_image="kaito-runtime:9"),
        deployment=a.deployment(annotations=annotations),
    )
    assert image(upgraded)[0] == first
    edited = a.workspace(a.manifest.replace("}}\n", "}, config: mine}\n"), status={"observedGeneration": 1})
    assert image(replace(upgraded, workspace=edited))[0] == "kaito-runtime:9"


def test_a_restart_is_on_the_status_before_it_happens(a):
    had = a.deployment()
    edited = a.workspace(a.manifest.replace("}}\n", "}, config: mine}\n"), status={"observedGeneration": 0})
    first = decide(a.serving(edited, deployment=had), a.now)
    kinds = [action.obj["kind"] for action in first.actions if isinstance(action, Apply)]
    assert "Deployment" not in kinds
    assert (first.status.phase, conditions(first.status)["WorkspaceReady"]) == (
        "StartingModel",
        ("False", "RollingOut"),
    )
    assert "The server restarts" in first.status.message
    assert conditions(first.status)["InferenceReady"][0] == "True"
    said = a.workspace(a.manifest.replace("}}\n", "}, config: mine}\n"), status=first.status.wire())
    second = decide(a.serving(said, deployment=had), a.now)
    assert "Deployment" in [action.obj["kind"] for action in second.actions if isinstance(action, Apply)]
    assert second.status == first.status


def test_deletion_stops_the_workload_then_the_machines_then_lets_go(a):
    gone = a.workspace(deleted=True)
    decision = decide(a.serving(gone), a.now)
    assert [action.kind.kind for action in decision.actions] == ["Deployment", "Machine"]
    assert decision.status.phase == "Deleting"
    assert conditions(decision.status)["WorkspaceDeleting"] == ("True", "ReleasingNodes")

    waiting = decide(a.snapshot(gone, claims=(replace(a.ready_claim(), deleting=True),)), a.now)
    assert waiting.actions == ()
    assert waiting.status.phase == "Deleting"

    last = decide(a.snapshot(gone), a.now)
    assert last.actions == (SetFinalizers(()),)
    assert last.status is None


def test_deletion_leaves_the_finalizers_of_others(a):
    workspace = a.workspace(deleted=True, finalizers=(WORKSPACE_FINALIZER, "other/keep"))
    assert decide(a.snapshot(workspace), a.now).actions == (SetFinalizers(("other/keep",)),)
    freed = a.workspace(deleted=True, finalizers=("other/keep",))
    assert decide(a.snapshot(freed), a.now).actions == ()
