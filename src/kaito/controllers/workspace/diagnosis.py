"""What a pod that does not answer yet is waiting for, told from its status."""

from kaito.controllers.workspace.reasons import REMEDIES, Reason
from kaito.controllers.workspace.step import Failure, Wait
from kaito.controllers.workspace.views import Container, Pod

IMAGE_REASONS = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
START_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "PreCreateHookError",
        "CreateContainerError",
        "PreStartHookError",
        "RunContainerError",
        "PostStartHookError",
        "StartError",
    }
)
"""The kubelet's waiting reasons. Source: kubelet's `pkg/kubelet/images` and `kuberuntime`."""

_PHASE = "StartingModel"
_LONGEST = 512


def diagnose(pod: Pod) -> Wait:
    """Say what the pod waits for: the first cause in the order in which a pod starts."""
    name = pod.metadata.name
    if pod.status.reason == "Evicted":
        return _wrong(Reason.POD_EVICTED, f"Pod {name} was evicted: {pod.status.message}")
    unscheduled = _unscheduled(pod)
    if unscheduled is not None:
        return unscheduled
    for container in pod.status.init_container_statuses:
        wait = _container(pod, container) or _init(pod, container)
        if wait is not None:
            return wait
    for container in pod.status.container_statuses:
        wait = _container(pod, container)
        if wait is not None:
            return wait
    if pod.serving:
        return Wait(_PHASE, Reason.STARTING_SERVER, f"The server starts in pod {name}.")
    return Wait(
        _PHASE, Reason.POD_PENDING, f"Pod {name} is being started on node {pod.spec.node_name or '(none yet)'}."
    )


def _unscheduled(pod: Pod) -> Wait | None:
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return _wrong(Reason.UNSCHEDULABLE, f"Pod {pod.metadata.name} has no node: {condition.message}")
    return None


def _container(pod: Pod, container: Container) -> Wait | None:
    """Return what is wrong with a container, if anything is."""
    where = f"Container {container.name} of pod {pod.metadata.name}"
    waiting = container.state.waiting
    if waiting is not None:
        if waiting.reason in IMAGE_REASONS:
            return _wrong(Reason.IMAGE_PULL_FAILED, f"{where}: image {container.image}: {waiting.message}")
        if waiting.reason in START_REASONS:
            return _wrong(Reason.CONTAINER_START_FAILED, f"{where} cannot be started: {waiting.message}")
    last = container.state.terminated or container.last_state.terminated
    down = container.state.running is None and not (waiting is not None and waiting.reason == "PodInitializing")
    if last is None or last.exit_code == 0 or not down:
        return None
    if last.reason == "OOMKilled":
        return _wrong(Reason.OUT_OF_MEMORY, f"{where} was killed for want of memory.")
    said = f": {last.message.strip()[:_LONGEST]}" if last.message.strip() else ""
    times = f", {container.restart_count} restarts so far" if container.restart_count else ""
    return _wrong(Reason.CONTAINER_CRASHED, f"{where} ended with exit code {last.exit_code}{times}{said}.")


def _init(pod: Pod, container: Container) -> Wait | None:
    if container.state.running is None:
        return None
    message = f"Init container {container.name} of pod {pod.metadata.name} runs, the server starts after it."
    return Wait(_PHASE, Reason.PREPARING_WEIGHTS, message)


def _wrong(reason: Reason, message: str) -> Wait:
    return Wait(_PHASE, reason, message, trouble=Failure(reason, message, REMEDIES[reason]))
