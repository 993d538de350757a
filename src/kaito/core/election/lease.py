"""The Lease of an election: read leniently, written as client-go writes it.

Its timestamps are for people. Nobody compares them with a clock: what counts is when a reader saw the record change.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kaito.core.clock import micro_timestamp
from kaito.core.election.timing import Timing
from kaito.core.kinds import LEASE
from kaito.core.objects import Key, Object


def record_of(lease: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a Lease says."""
    spec: Mapping[str, Any] = lease.get("spec") or {}
    return spec


def holder_of(record: Mapping[str, Any]) -> str:
    """Return who holds the Lease; empty when nobody does."""
    return str(record.get("holderIdentity") or "")


def duration_of(record: Mapping[str, Any], timing: Timing) -> float:
    """Return for how many seconds the record holds after its last change: the holder's word, ours if it says none."""
    seconds = record.get("leaseDurationSeconds")
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else timing.lease


def first_lease(key: Key, identity: str, timing: Timing, now: datetime) -> Object:
    """Return a Lease that does not exist yet, held by `identity`."""
    metadata = {"name": key.name, "namespace": key.namespace}
    spec = {**_held(identity, timing, now), "acquireTime": micro_timestamp(now), "leaseTransitions": 0}
    return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}


def held_lease(lease: Object, identity: str, timing: Timing, now: datetime) -> Object:
    """Return `lease` as taken over, or renewed, by `identity`; its resourceVersion makes the write conditional."""
    record = record_of(lease)
    spec = {**record, **_held(identity, timing, now)}
    if holder_of(record) != identity:
        spec |= {"acquireTime": micro_timestamp(now), "leaseTransitions": int(record.get("leaseTransitions") or 0) + 1}
    return {**lease, "spec": spec}


def released_lease(lease: Object, now: datetime) -> Object:
    """Return `lease` held by nobody: the next candidate need not wait."""
    spec = {**record_of(lease), "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": micro_timestamp(now)}
    return {**lease, "spec": spec}


def _held(identity: str, timing: Timing, now: datetime) -> dict[str, Any]:
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": int(timing.lease),
        "renewTime": micro_timestamp(now),
    }
