"""Serve: the Services, the settings and the Deployment are there, and the model answers."""

from kaito.contracts import RuntimeStatus, Stage
from kaito.controllers.workspace.diagnosis import diagnose
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.render import SPEC_ANNOTATION, render
from kaito.controllers.workspace.slots import RANK_ANNOTATION
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Action, Apply, CreateAdminSecret, Failure, Step, Wait
from kaito.controllers.workspace.views import Pod
from kaito.controllers.workspace.workload import admin_secret_name
from kaito.core.objects import Object

_STAGES: dict[Stage, tuple[str, Reason, str]] = {
    "importing": ("StartingModel", Reason.STARTING_SERVER, "starts"),
    "loading": ("LoadingWeights", Reason.LOADING_WEIGHTS, "loads the weights"),
    "warming": ("Warming", Reason.WARMING, "warms up"),
    "ready": ("Warming", Reason.ROLLING_OUT, "is ready, the kubelet's probe is still to see it"),
    "draining": ("StartingModel", Reason.ROLLING_OUT, "finishes its last requests"),
}
"""Where a server is, in the words of the Workspace."""


def serve(snapshot: Snapshot) -> Step:
    """Apply the workload, and wait until a pod of it answers; say where that pod is.

    What restarts the server of an edited Workspace is in its status before it happens.
    """
    *others, deployment = render(snapshot)
    applied = tuple(Apply(obj) for obj in others)
    restart = _restart(snapshot, deployment)
    if restart is not None and snapshot.workspace.status.observed_generation != snapshot.workspace.metadata.generation:
        return Step((*_secret(snapshot), *applied), restart)
    return Step((*_secret(snapshot), *applied, Apply(deployment)), restart or _outcome(snapshot))


def _restart(snapshot: Snapshot, deployment: Object) -> Wait | None:
    """Return what is said while a server that runs is about to be replaced by one of another command line or pod."""
    live = snapshot.deployment
    if live is None or not live.available:
        return None
    had, wanted = live.metadata.annotations, deployment["metadata"]["annotations"]
    if had.get(SPEC_ANNOTATION) != wanted[SPEC_ANNOTATION]:
        why = "its settings or the volumes of its adapters were edited"
    elif had.get(RANK_ANNOTATION) != wanted.get(RANK_ANNOTATION):
        why = f"adapters need slots of rank {wanted[RANK_ANNOTATION]}"
    elif not live.rolled_out:
        return Wait("StartingModel", Reason.ROLLING_OUT, "The pod is replaced by one with the new settings.")
    else:
        return None
    return Wait("StartingModel", Reason.ROLLING_OUT, f"The server restarts: {why}.")


def _secret(snapshot: Snapshot) -> tuple[Action, ...]:
    """Return what makes the admin Secret: before the Deployment, and once more for each pod that has not begun yet.

    A Secret that somebody deleted is missed by the next pod only, and nobody here may watch Secrets.
    """
    name = admin_secret_name(snapshot.workspace.metadata.name)
    if snapshot.deployment is None:
        return (CreateAdminSecret(name),)
    pending = [pod for pod in snapshot.pods if not pod.going and pod.status.phase in ("", "Pending")]
    return (CreateAdminSecret(name, for_pod=pending[-1].metadata.uid),) if pending else ()


def _outcome(snapshot: Snapshot) -> Wait | None:
    deployment = snapshot.deployment
    if deployment is not None and deployment.available:
        return None
    pods = [pod for pod in snapshot.pods if not pod.going]
    if deployment is None or not pods:
        return Wait("StartingModel", Reason.WORKLOAD_CREATED, "The Deployment is applied, its pod is still to come.")
    pod = pods[-1]
    runtime = snapshot.runtime.get(pod.metadata.uid)
    if runtime is not None and (pod.serving or runtime["stage"] == "failed"):
        return _by_stage(pod, runtime)
    return diagnose(pod)


def _by_stage(pod: Pod, runtime: RuntimeStatus) -> Wait:
    stage, failure = runtime["stage"], runtime["failure"]
    if stage == "failed" or failure is not None:
        phase = "StartingModel" if stage == "failed" else _STAGES[stage][0]  # else it goes on trying
        reason = failure["reason"] if failure else Reason.CONTAINER_CRASHED
        message = f"Pod {pod.metadata.name}: {failure['message'] if failure else runtime['message']}"
        trouble = Failure(reason, message, failure["remedy"] if failure else "")
        return Wait(phase, reason, message, trouble=trouble)
    phase, reason, does = _STAGES[stage]
    detail = f": {runtime['message']}" if runtime["message"] and stage != "ready" else ""
    return Wait(phase, reason, f"The server in pod {pod.metadata.name} {does}{detail}")
