"""Why a Workspace is where it is: the chain from its condition to the remedy. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kaito.core import Object

State = Literal["ok", "waiting", "failed"]


@dataclass(frozen=True)
class Link:
    """One link of the chain: an object, its state, and what it says."""

    what: str
    state: State
    message: str


def chain(
    workspace: Object, machines: Sequence[Object], pods: Sequence[Object], events: Sequence[Object]
) -> list[Link]:
    """Return the links from the Workspace down to the newest cause: conditions, machines, pods, last event, remedy."""
    status = workspace.get("status") or {}
    links = [_workspace_link(workspace["metadata"]["name"], status)]
    links += _condition_links(status)
    links += [_machine_link(machine) for machine in machines]
    links += [_pod_link(pod) for pod in pods]
    event = last_event(events)
    said = " ".join(link.message for link in links)
    if event is not None and status.get("phase") != "Ready" and event.get("message", "") not in said:
        regarding = event.get("involvedObject") or {}
        what = f"event of {regarding.get('kind', '')} {regarding.get('name', '')}"
        state: State = "waiting" if event.get("type") == "Warning" else "ok"
        links.append(Link(what, state, f"{event.get('reason', '')}: {event.get('message', '')}"))
    failure = status.get("lastFailure") or {}
    if failure.get("remedy") and status.get("phase") != "Ready" and failure["remedy"] not in said:
        links.append(Link("remedy", "failed" if failure.get("terminal") else "waiting", failure["remedy"]))
    return links


def last_event(events: Sequence[Object]) -> Object | None:
    """Return the newest Warning, else the newest event, else None."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    return max(warnings or events, key=_when, default=None)


def pod_state(pod: Object) -> tuple[State, str]:
    """Return what a pod is doing, as `kubectl get pods` would say it, and why."""
    status = pod.get("status") or {}
    for item in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = item.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return "failed", f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
        if ended and ended.get("exitCode"):
            said = f"container {item['name']} exited {ended['exitCode']}: {ended.get('message', '')}"
            return "failed", said.rstrip(": ")
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    unscheduled = conditions.get("PodScheduled") or {}
    if unscheduled.get("status") == "False":
        return "waiting", f"{unscheduled.get('reason', '')}: {unscheduled.get('message', '')}".rstrip(": ")
    if (conditions.get("Ready") or {}).get("status") == "True":
        return "ok", "Ready"
    return "waiting", f"{status.get('phase', 'Pending')}, not ready"


def _workspace_link(name: str, status: Object) -> Link:
    phase = status.get("phase") or "Pending"
    state: State = {"Ready": "ok", "Failed": "failed"}.get(phase, "waiting")  # type: ignore[assignment]
    return Link(f"Workspace {name}", state, f"{phase}: {status.get('message') or 'not seen by the controller yet'}")


def _condition_links(status: Object) -> list[Link]:
    """Return the conditions that are not True and say more than the status itself, each message once."""
    links, told = [], {status.get("message") or ""}
    for item in status.get("conditions") or ():
        message = item.get("message") or ""
        if item.get("status") == "True" or status.get("phase") == "Ready" or any(message in one for one in told):
            continue
        told.add(message)
        said = f"{item.get('reason', '')}: {message}".rstrip(": ")
        links.append(Link(f"condition {item.get('type')}", "waiting", f"{item.get('status')} {said}".strip()))
    return links


def _machine_link(machine: Object) -> Link:
    conditions = (machine.get("status") or {}).get("conditions") or ()
    name = f"Machine {machine['metadata']['name']}"
    for item in conditions:
        if item.get("status") != "True" and item.get("type") != "Ready":
            state: State = "failed" if item.get("status") == "False" and item.get("severity") == "Error" else "waiting"
            said = f"{item.get('type')}: {item.get('reason', '')}: {item.get('message', '')}".rstrip(": ")
            return Link(name, state, said)
    return Link(name, "ok", "Ready") if conditions else Link(name, "waiting", "not seen by the provisioner yet")


def _pod_link(pod: Object) -> Link:
    state, message = pod_state(pod)
    return Link(f"Pod {pod['metadata']['name']}", state, message)


def _when(event: Object) -> str:
    metadata = event.get("metadata") or {}
    return str(event.get("lastTimestamp") or event.get("eventTime") or metadata.get("creationTimestamp") or "")
