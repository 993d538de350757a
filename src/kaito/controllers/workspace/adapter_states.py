"""The adapters in the status: for each what its servers say, or what it waits for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kaito.api import AdapterOfPod, AdapterSpec, AdapterState
from kaito.contracts import AdapterPhase, AdapterSet, AdapterStatus, RuntimeStatus, adapter_set_digest
from kaito.controllers.workspace.slots import ABOVE_SLOT, in_the_way, slot_for
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.views import Pod
from kaito.controllers.workspace.wanted import adapters_of, source_text, wanted_set

_FROM_WORST: Final[tuple[AdapterPhase, ...]] = (
    *("Failed", "Pending", "Pulling", "Validating", "Loading", "Draining", "Ready"),
)
_MOST: Final = 64
_LONGEST_MESSAGE: Final = 1024
_WAITS: Final = "It waits for the server to start."


@dataclass(frozen=True)
class _Said:
    """What one pod says of one adapter."""

    pod: str
    adapter: AdapterStatus

    @property
    def badness(self) -> int:
        return _FROM_WORST.index(self.adapter["state"])


def adapter_states(snapshot: Snapshot) -> tuple[AdapterState, ...]:
    """Return the adapters of the spec in its order, then what else the servers have."""
    wanted = wanted_set(snapshot.workspace)
    servers = [(pod, snapshot.runtime[pod.metadata.uid]) for pod in heard(snapshot)]
    asked = [_asked_for(snapshot, wanted, adapter, servers) for adapter in adapters_of(snapshot.workspace)]
    names = {state.name for state in asked}
    others = {one["name"] for _, runtime in servers for one in runtime["adapters"]} - names
    beside = [_state(snapshot, name, _said(servers, name)) for name in sorted(others)]
    combined = snapshot.workspace.metadata.name
    if not servers and asked:
        beside = [_kept(snapshot, state) for state in snapshot.workspace.status.adapters if state.name == combined]
    return (*asked, *beside)[:_MOST]


def heard(snapshot: Snapshot) -> Iterator[Pod]:
    """Return the pods that stay and whose server is heard."""
    for pod in snapshot.pods:
        runtime = snapshot.runtime.get(pod.metadata.uid)
        if runtime is not None and not pod.going and runtime["stage"] not in ("failed", "draining"):
            yield pod


def is_told(runtime: RuntimeStatus, wanted: AdapterSet) -> bool:
    """Whether a server works towards this set, or towards one that is newer than we know."""
    in_force = runtime.get("adapterSet")
    if in_force is None:
        return False
    return in_force["digest"] == adapter_set_digest(wanted) or in_force["generation"] > wanted["generation"]


def _asked_for(
    snapshot: Snapshot, wanted: AdapterSet, adapter: AdapterSpec, servers: list[tuple[Pod, RuntimeStatus]]
) -> AdapterState:
    name = adapter.source.name or ""
    fixed = {"source": source_text(adapter.source), "strength": adapter.strength}
    before = next((state for state in snapshot.workspace.status.adapters if state.name == name), None)
    if before is not None:  # what was said under another source or strength is about another adapter
        same = (before.source, before.strength) == (fixed["source"], fixed["strength"])
        before = _kept(snapshot, before) if same else None
    untold = [pod for pod, runtime in servers if not is_told(runtime, wanted)]
    if untold:
        found = before or _pending(name, f"Pod {untold[0].metadata.name} is being told of it.")
        found = _refused(snapshot, found, untold)
    elif servers:
        said = _said(servers, name, absent=f"The server has not begun with {name} yet.")
        found = _state(snapshot, name, said)
    elif before is not None and any(pod.serving and not pod.going for pod in snapshot.pods):
        found = before  # the server is not heard at the moment, and serves as before
    else:
        found = _pending(name, _WAITS, before)
    return _without_credentials(snapshot, adapter, found.model_copy(update=fixed))


def _kept(snapshot: Snapshot, before: AdapterState) -> AdapterState:
    """Return what holds of what was said before: where no pod is ready, nobody is answered by an adapter."""
    if before.state != "Ready" or any(pod.ready and not pod.going for pod in snapshot.pods):
        return before
    return _pending(before.name, _WAITS, before)


def _said(servers: list[tuple[Pod, RuntimeStatus]], name: str, absent: str = "") -> list[_Said]:
    """Return what each pod says of one adapter, worst first; with `absent`, what is said for those that do not."""
    found = []
    for pod, runtime in servers:
        status = next((one for one in runtime["adapters"] if one["name"] == name), None)
        if status is None and absent:
            status = AdapterStatus(name=name, state="Pending", reason="", message=absent)
        if status is not None and status["state"] == "Ready" and not pod.ready:
            status = AdapterStatus(
                **{**status, "state": "Loading", "message": "It is loaded; its pod is not ready yet."}
            )
        if status is not None:
            found.append(_Said(pod.metadata.name, status))
    return sorted(found, key=lambda one: one.badness)


def _state(snapshot: Snapshot, name: str, said: list[_Said]) -> AdapterState:
    worst = said[0].adapter
    differ = len({(one.adapter["state"], one.adapter["reason"]) for one in said}) > 1
    reason, message = worst["reason"], worst["message"]
    if reason == ABOVE_SLOT and "rank" in worst:
        reason, message = _above_slot(snapshot, worst["rank"])
    return AdapterState(
        name=name,
        state=worst["state"],
        reason=reason,
        message=message[:_LONGEST_MESSAGE],
        strength=worst.get("strength"),
        digest=worst.get("digest"),
        size_bytes=worst.get("sizeBytes"),
        rank=worst.get("rank"),
        seconds=round(worst["seconds"], 3) if "seconds" in worst else None,
        pods=tuple(
            AdapterOfPod(name=one.pod, state=one.adapter["state"], reason=one.adapter["reason"]) for one in said[:_MOST]
        )
        if differ
        else (),
    )


def _above_slot(snapshot: Snapshot, rank: int) -> tuple[str, str]:
    """Return reason and message for a rank that the servers have no slots for: they get them, or cannot."""
    if snapshot.plan is not None and (why := in_the_way(snapshot, rank)):
        return "RankTooLarge", f"Its rank is {rank}, and {why}. Use an adapter of a lower rank."
    return ABOVE_SLOT, f"Its rank is {rank}: the server restarts with slots of rank {slot_for(rank)}."


def _pending(name: str, message: str, before: AdapterState | None = None) -> AdapterState:
    """Return an adapter that nobody has begun with; what is known of its files stays."""
    known = {"digest": before.digest, "size_bytes": before.size_bytes, "rank": before.rank} if before else {}
    return AdapterState(name=name, state="Pending", message=message).model_copy(update=known)


def _refused(snapshot: Snapshot, found: AdapterState, untold: list[Pod]) -> AdapterState:
    """Say what a server has against the set, at the adapter that it is about, else at those that wait for it."""
    for pod in untold:
        refusal = snapshot.refused.get(pod.metadata.uid)
        if refusal is None or refusal.generation != snapshot.workspace.metadata.generation:
            continue
        message = f"Pod {pod.metadata.name} refused the adapters: {refusal.message}"[:_LONGEST_MESSAGE]
        if refusal.adapter == found.name:
            return _pending(found.name, message).model_copy(update={"state": "Failed", "reason": refusal.reason})
        if found.state == "Pending":
            return found.model_copy(update={"message": message})
    return found


def _without_credentials(snapshot: Snapshot, adapter: AdapterSpec, found: AdapterState) -> AdapterState:
    """Say what is wrong with the Secrets that an image is pulled with, unless it is served all the same."""
    problems = snapshot.credentials.problems
    secrets = adapter.source.image_pull_secrets if adapter.source.image is not None else ()
    wrong = [problems[secret] for secret in secrets if secret in problems]
    if not wrong or found.state == "Ready":
        return found
    return found.model_copy(
        update={"state": "Failed", "reason": "SourceUnauthorized", "message": " ".join(wrong)[:_LONGEST_MESSAGE]}
    )
