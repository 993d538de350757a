"""What a Deployment does next: one step of its rollout, from a snapshot. Pure.

Follows Kubernetes' deployment controller (`pkg/controller/deployment`): one kind of change per reconcile, then the
changed ReplicaSet brings the Deployment back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kaito.core import Object, owner_reference
from kaito.local.controllers.deployment.rolling import (
    desired_replicas,
    limits,
    new_size,
    old_sizes,
    proportional_sizes,
    size,
)
from kaito.local.controllers.deployment.status import deployment_status, is_complete, progress_deadline
from kaito.local.controllers.pods import is_terminal
from kaito.local.controllers.template_hash import POD_TEMPLATE_HASH, pod_template_hash, same_template

REVISION = "deployment.kubernetes.io/revision"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
REVISION_HISTORY_LIMIT = 10
"""`spec.revisionHistoryLimit` when it is not set."""

_NOT_COPIED = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", "kaito.sh/applied", REVISION, DESIRED_REPLICAS, MAX_REPLICAS}
)


@dataclass(frozen=True)
class Snapshot:
    """What one reconcile of a Deployment knows: itself, the ReplicaSets it controls and their pods."""

    deployment: Object
    replica_sets: Sequence[Object]
    pods: Sequence[Object]


@dataclass(frozen=True)
class Resize:
    """A ReplicaSet to write: its new size and annotations."""

    replica_set: Object
    replicas: int
    annotations: dict[str, str]


@dataclass(frozen=True)
class Decision:
    """What to write, in this order. `requeue_after` in seconds."""

    create: Object | None = None
    resizes: tuple[Resize, ...] = ()
    delete: tuple[Object, ...] = ()
    revision: str = ""
    status: Object = field(default_factory=dict)
    requeue_after: float | None = None


def decide(snapshot: Snapshot, now: datetime) -> Decision:
    """Return the next step of the Deployment's rollout and its status."""
    deployment = snapshot.deployment
    new, old = split(deployment, snapshot.replica_sets)
    status = deployment_status(deployment, new, old, now)
    deadline = progress_deadline(deployment, status)
    requeue = max(1.0, (deadline - now).total_seconds() + 1) if deadline else None
    if deployment["metadata"].get("deletionTimestamp"):
        return Decision(status=status)
    revision = _revision(new, old)
    if new is None and not deployment["spec"].get("paused"):
        if _waits_for_old_pods(snapshot, old):
            return Decision(resizes=_to_zero(deployment, old), status=status, requeue_after=requeue)
        created = new_replica_set(deployment, revision, new_size(deployment["spec"], None, old))
        return Decision(create=created, revision=revision, status=status, requeue_after=requeue)
    return Decision(
        resizes=_resizes(snapshot, new, old, revision),
        delete=_beyond_history(deployment, status, old),
        revision=revision if new is not None else "",
        status=status,
        requeue_after=requeue,
    )


def split(deployment: Object, replica_sets: Sequence[Object]) -> tuple[Object | None, list[Object]]:
    """Return the ReplicaSet of the current template (or None) and the others, oldest first."""
    ordered = sorted(
        replica_sets, key=lambda one: (one["metadata"].get("creationTimestamp", ""), one["metadata"]["name"])
    )
    template = deployment["spec"]["template"]
    wanted = _hash(deployment)
    new = next((one for one in ordered if same_template(one["spec"]["template"], template)), None)
    if new is None:
        new = next(
            (one for one in ordered if (one["metadata"].get("labels") or {}).get(POD_TEMPLATE_HASH) == wanted), None
        )
    return new, [one for one in ordered if one is not new]


def new_replica_set(deployment: Object, revision: str, replicas: int) -> Object:
    """Return the ReplicaSet of the current template."""
    spec = deployment["spec"]
    template_hash = _hash(deployment)
    template = {**spec["template"]}
    labels = {**((template.get("metadata") or {}).get("labels") or {}), POD_TEMPLATE_HASH: template_hash}
    template["metadata"] = {**(template.get("metadata") or {}), "labels": labels}
    selector = {**spec["selector"]}
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), POD_TEMPLATE_HASH: template_hash}
    result: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{template_hash}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "annotations": _annotations(deployment, revision),
            "ownerReferences": [owner_reference({"apiVersion": "apps/v1", "kind": "Deployment", **deployment})],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        result["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return result


def _hash(deployment: Object) -> str:
    collisions = int((deployment.get("status") or {}).get("collisionCount") or 0)
    return pod_template_hash(deployment["spec"]["template"], collisions)


def _annotation(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(name, ""))


def _revision(new: Object | None, old: Sequence[Object]) -> str:
    """One more than the newest old revision; the new ReplicaSet keeps its own while it is the newest."""
    newest = max((int(_annotation(one, REVISION) or 0) for one in old), default=0)
    own = int(_annotation(new, REVISION) or 0) if new else 0
    return str(own if own > newest else newest + 1)


def _annotations(deployment: Object, revision: str) -> dict[str, str]:
    """Return the annotations of a ReplicaSet: the Deployment's own plus what rollouts and scaling read back."""
    own = deployment["metadata"].get("annotations") or {}
    return {
        **{name: value for name, value in own.items() if name not in _NOT_COPIED},
        REVISION: revision,
        **_size_annotations(deployment),
    }


def _size_annotations(deployment: Object) -> dict[str, str]:
    replicas = desired_replicas(deployment["spec"])
    return {DESIRED_REPLICAS: str(replicas), MAX_REPLICAS: str(replicas + limits(deployment["spec"]).max_surge)}


def _waits_for_old_pods(snapshot: Snapshot, old: Sequence[Object]) -> bool:
    """Recreate starts nothing new while a pod of an old ReplicaSet may still run."""
    if (snapshot.deployment["spec"].get("strategy") or {}).get("type") != "Recreate":
        return False
    uids = {one["metadata"]["uid"] for one in old}
    running = any(
        owner.get("uid") in uids
        for pod in snapshot.pods
        if not is_terminal(pod)
        for owner in pod["metadata"].get("ownerReferences") or ()
    )
    return running or any(size(one) for one in old)


def _to_zero(deployment: Object, old: Sequence[Object]) -> tuple[Resize, ...]:
    return tuple(Resize(one, 0, _size_annotations(deployment)) for one in old if size(one))


def _resizes(snapshot: Snapshot, new: Object | None, old: Sequence[Object], revision: str) -> tuple[Resize, ...]:
    deployment = snapshot.deployment
    sizes = _sizes(snapshot, new, old)
    changed: list[Resize] = []
    for one in (*([new] if new else []), *old):
        replicas = sizes.get(one["metadata"]["name"], size(one))
        annotations = _annotations(deployment, revision) if one is new else _size_annotations(deployment)
        current = one["metadata"].get("annotations") or {}
        stale = one is new or (size(one) or replicas)
        if replicas != size(one) or (stale and any(current.get(name) != value for name, value in annotations.items())):
            changed.append(Resize(one, replicas, annotations))
    return tuple(changed)


def _sizes(snapshot: Snapshot, new: Object | None, old: Sequence[Object]) -> dict[str, int]:
    """Return the sizes that change, by name."""
    spec = snapshot.deployment["spec"]
    active = [one for one in (*old, *([new] if new else [])) if size(one)]
    if _was_scaled(snapshot.deployment, active) or spec.get("paused"):
        return _scaled(spec, new, active)
    if new is None:
        return {}
    if _waits_for_old_pods(snapshot, old):
        return {one["metadata"]["name"]: 0 for one in old if size(one)}
    grown = new_size(spec, new, old)
    if grown != size(new):
        return {new["metadata"]["name"]: grown}
    return old_sizes(spec, new, [one for one in old if size(one)])


def _was_scaled(deployment: Object, active: Sequence[Object]) -> bool:
    desired = str(desired_replicas(deployment["spec"]))
    return any(_annotation(one, DESIRED_REPLICAS) not in ("", desired) for one in active)


def _scaled(spec: Object, new: Object | None, active: Sequence[Object]) -> dict[str, int]:
    replicas = desired_replicas(spec)
    if not active:
        return {new["metadata"]["name"]: replicas} if new and not spec.get("paused") else {}
    if len(active) == 1:
        return {active[0]["metadata"]["name"]: replicas}
    allowed = replicas + limits(spec).max_surge if replicas else 0
    return proportional_sizes(allowed, {one["metadata"]["name"]: size(one) for one in active})


def _beyond_history(deployment: Object, status: Object, old: Sequence[Object]) -> tuple[Object, ...]:
    """Return the oldest empty ReplicaSets beyond the history limit, once the rollout is complete."""
    if not is_complete(deployment, status):
        return ()
    limit = deployment["spec"].get("revisionHistoryLimit")
    keep = REVISION_HISTORY_LIMIT if limit is None else int(limit)
    empty = [
        one
        for one in old
        if not size(one)
        and not (one.get("status") or {}).get("replicas")
        and not one["metadata"].get("deletionTimestamp")
    ]
    return tuple(empty[: max(0, len(empty) - keep)])
