"""Whatever the situation, deciding again on what was decided decides nothing new."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaito.api import MACHINE, Machine
from kaito.controllers.workspace import decide
from kaito.controllers.workspace.claims import read_machine
from kaito.controllers.workspace.known import NO_CREDENTIALS, Credentials
from kaito.controllers.workspace.step import (
    Apply,
    CopyCredentials,
    Create,
    CreateAdminSecret,
    Delete,
    DeleteCredentials,
    SetFinalizers,
)

CLAIMS = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from(["MachineLaunched", "MachineRegistered", "MachineInitialized", "Ready"]),
        st.sampled_from(["True", "False", "Unknown"]),
        st.sampled_from(["", "QuotaExceeded", "InsufficientCapacity", "NodeNotFound"]),
        st.booleans(),
    ),
)
PODS = st.sampled_from(
    [
        None,
        {"phase": "Pending"},
        {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node"}]},
        {"containerStatuses": [{"name": "phi", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
        {"containerStatuses": [{"name": "phi", "state": {"running": {}}}], "podIP": "127.0.0.9"},
    ]
)
ADAPTERS = st.sampled_from(
    [
        "",
        ", adapters: [{source: {name: x, image: 'reg.example.org/x:1'}}]",
        ", adapters: [{source: {name: x, image: 'reg.example.org/x:1', imagePullSecrets: [login]}, strength: '0.5'}]",
        ", adapters: [{source: {name: x, volumeSource: {hostPath: {path: /x}}}}]",
    ]
)
SAID = st.sampled_from(
    [
        (),
        ({"name": "x", "state": "Ready", "reason": "", "message": "", "rank": 8},),
        ({"name": "x", "state": "Failed", "reason": "RankAboveSlot", "message": "", "rank": 100},),
        ({"name": "x", "state": "Failed", "reason": "SourceUnauthorized", "message": "401"},),
    ]
)
STAGES = st.sampled_from([None, "importing", "loading", "warming", "ready", "failed", "draining"])


def applied(a, snapshot, decision):
    """The picture after the API server has done what was decided."""
    workspace = snapshot.workspace
    for action in decision.actions:
        match action:
            case SetFinalizers(finalizers):
                metadata = workspace.metadata.model_copy(update={"finalizers": finalizers})
                workspace = workspace.model_copy(update={"metadata": metadata})
            case Create(_, obj):
                made = Machine.model_validate({**obj, "metadata": {**obj["metadata"], "uid": "made"}})
                snapshot = replace(snapshot, claims=(*snapshot.claims, read_machine(made)))
            case Delete(kind, key, _) if kind is MACHINE:
                claims = tuple(replace(one, deleting=one.deleting or one.name == key.name) for one in snapshot.claims)
                snapshot = replace(snapshot, claims=claims)
            case Delete():
                snapshot = replace(snapshot, deployment=None)
            case CreateAdminSecret():
                pass
            case CopyCredentials(secrets):
                known = Credentials(secrets, due_in=300, doubted_in=300)
                snapshot = replace(snapshot, credentials=known)
            case DeleteCredentials():
                snapshot = replace(snapshot, credentials=NO_CREDENTIALS)
            case Apply(obj) if obj["metadata"]["name"].endswith("-adapters"):
                snapshot = replace(snapshot, has_credentials=bool(obj["metadata"]["annotations"]))
            case Apply(obj) if obj["kind"] == "Deployment":
                available = snapshot.deployment.status.available_replicas if snapshot.deployment is not None else 0
                made = a.deployment(available=available, annotations=obj["metadata"]["annotations"])
                snapshot = replace(snapshot, deployment=made)
            case Apply():
                pass
    if decision.status is not None:
        # Through JSON, as it is stored.
        stored = type(workspace.status).model_validate_json(decision.status.model_dump_json(by_alias=True))
        workspace = workspace.model_copy(update={"status": stored})
    return replace(snapshot, workspace=workspace)


def repeatable(action):
    """Whether doing it again makes no request: an apply of what is so, and the Secret that was looked for before."""
    return isinstance(action, Apply) or (isinstance(action, CreateAdminSecret) and action.for_pod)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    claim=CLAIMS,
    node=st.sampled_from([None, {}, {"ready": False}, {"gpus": 0}]),
    available=st.sampled_from([None, 0, 1]),
    pod=PODS,
    stage=STAGES,
    preset=st.sampled_from(["phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct", "no-such"]),
    deleted=st.booleans(),
    finalized=st.booleans(),
    adapters=ADAPTERS,
    said=SAID,
    has_credentials=st.booleans(),
)
def test_deciding_again_on_the_result_writes_nothing(
    a, claim, node, available, pod, stage, preset, deleted, finalized, adapters, said, has_credentials
):
    text = a.manifest.replace("phi-3-mini-4k-instruct}", preset + "}" + adapters)
    finalizers = ("workspace.finalizer.kaito.sh",) if finalized else ()
    parts = {}
    if claim is not None:
        *lifecycle, deleting = claim
        made = replace(a.claim(*lifecycle), deleting=deleting)
        parts["claims"] = (made,)
        if node is not None and made.node_name:
            parts["nodes"] = {made.node_name: a.node(made.node_name, **node)}
    if available is not None:
        parts["deployment"] = a.deployment(available=available)
    if pod is not None:
        parts["pods"] = (a.pod(pod),)
    if stage is not None:
        parts["runtime"] = {"pod-1": a.runtime(stage, adapters=said)}
    parts["has_credentials"] = has_credentials
    snapshot = a.snapshot(a.workspace(text, finalizers=finalizers, deleted=deleted), **parts)

    # Each round may wait for one thing less; it settles before the phases are used up.
    decision = decide(snapshot, a.now)
    for round_ in range(6):
        snapshot = applied(a, snapshot, decision)
        decision = decide(snapshot, a.later(60 * (round_ + 1)))
        writes = [action for action in decision.actions if not repeatable(action)]
        if not writes and decision.status in (None, snapshot.workspace.status):
            assert decision.occurrences == ()
            return
    raise AssertionError(f"still deciding: {decision}")


def test_one_pass_settles_a_new_workspace(a):
    snapshot = a.snapshot(a.workspace(finalizers=()))
    snapshot = applied(a, snapshot, decide(snapshot, a.now))
    decision = decide(snapshot, a.later(1))
    assert decision.actions == ()
    assert decision.status.phase == "ClaimingNodes"
