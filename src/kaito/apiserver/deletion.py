"""Deleting: preconditions, finalizers, the grace of pods, and who has to finish a deletion that cannot end at once."""

import copy
from datetime import datetime, timedelta

from kaito.apiserver import admission, status
from kaito.apiserver.admission import Write
from kaito.apiserver.request import DeleteOptions
from kaito.apiserver.resources import Resource
from kaito.apiserver.writes import Outcome, Writer, outgoing
from kaito.core.clock import timestamp
from kaito.core.objects import Object, key_of

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"
_FINALIZERS = {"Foreground": _FOREGROUND, "Orphan": _ORPHAN, "Background": None}
_DEFAULT_GRACE_SECONDS = 30
_ORPHANING = ("batch/jobs",)
"""Kinds whose dependents stay when a delete does not say what is to become of them."""
_ANSWERED_WHOLE = ("pods", "services", "serviceaccounts")
"""Kinds whose deletion is answered with the object as it was, and not with a `Status`."""


def delete(writer: Writer, write: Write, options: DeleteOptions) -> Outcome:
    """Delete one object, or mark it as being deleted while finalizers, grace or contents hold it."""
    _require_policy(options)
    resource, live = write.resource, writer.live(write)
    _check_preconditions(write, live, options)
    if write.gate is not None:
        write.gate.validate(write, "DELETE", None, live)
    obj = copy.deepcopy(live)
    meta = obj["metadata"]
    finalizers = _finalizers(resource, meta.get("finalizers") or [], options)
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    grace = _grace(write, obj, options)
    held = bool(finalizers) or grace > 0 or resource.storage_key == "namespaces"
    if meta.get("deletionTimestamp") and held and grace >= meta.get("deletionGracePeriodSeconds", 0):
        grace = meta.get("deletionGracePeriodSeconds", 0)
    else:
        _mark(obj, write.now, grace)
    dry = write.options.dry_run or "All" in options.dry_run
    if not held:
        if not dry:
            writer.remove(resource, key_of(live), live)
        if resource.storage_key in _ANSWERED_WHOLE:
            told = obj if resource.storage_key == "pods" else live
            version = live["metadata"]["resourceVersion"] if dry else str(writer.store.version)
            return Outcome({**told, "metadata": {**told["metadata"], "resourceVersion": version}})
        return Outcome(_deleted(write, obj))
    if resource.storage_key == "namespaces":
        obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
    if not dry and not admission.same(obj, live):
        writer.save(resource, obj)
        writer.on_removed()
    return Outcome(outgoing(resource, obj))


def _check_preconditions(write: Write, obj: Object, options: DeleteOptions) -> None:
    resource, wanted, meta = write.resource, options.preconditions, obj["metadata"]
    for word, field, given in (
        ("UID", "uid", wanted.uid),
        ("ResourceVersion", "resourceVersion", wanted.resource_version),
    ):
        if given is not None and given != meta[field]:
            words = f"Precondition failed: {word} in precondition: {given}, {word} in object meta: {meta[field]}"
            raise status.conflict(resource.group, resource.plural, meta["name"], words)


def _finalizers(resource: Resource, present: list[str], options: DeleteOptions) -> list[str]:
    policy = options.propagation_policy
    if policy is None and options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if policy is None and resource.storage_key in _ORPHANING and not set(present) & {_FOREGROUND, _ORPHAN}:
        policy = "Orphan"
    if policy is None:
        return present
    kept = [name for name in present if name not in (_FOREGROUND, _ORPHAN)]
    added = _FINALIZERS[policy]
    return [*kept, added] if added else kept


def _require_policy(options: DeleteOptions) -> None:
    policy = options.propagation_policy
    if policy is not None and policy not in _FINALIZERS:
        raise status.invalid_options(
            "DeleteOptions",
            f'propagationPolicy: Unsupported value: "{policy}": '
            'supported values: "Foreground", "Background", "Orphan", "nil"',
        )


def _grace(write: Write, obj: Object, options: DeleteOptions) -> int:
    """Return the seconds a pod may take to end; everything else, and pods that run nowhere, end at once."""
    if write.resource.storage_key != "pods":
        return 0
    spec = obj.get("spec", {})
    if not spec.get("nodeName") or obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace_period_seconds is not None:
        return max(options.grace_period_seconds, 0)
    if obj["metadata"].get("deletionTimestamp"):
        return int(obj["metadata"].get("deletionGracePeriodSeconds", 0))
    return int(spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS))


def _mark(obj: Object, now: datetime, grace: int) -> None:
    meta = obj["metadata"]
    meta["deletionTimestamp"] = timestamp(now + timedelta(seconds=grace))
    meta["deletionGracePeriodSeconds"] = grace
    if "generation" in meta:
        meta["generation"] += 1


def _deleted(write: Write, obj: Object) -> Object:
    resource, meta = write.resource, obj["metadata"]
    details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {name: value for name, value in details.items() if value},
    }
