"""The life of a Machine as pure functions: one file per step, each takes what is known and returns what should be."""

from dataclasses import replace
from typing import Final

from kaito.provisioner.lifecycle.acceptance import accept
from kaito.provisioner.lifecycle.initialization import initialize
from kaito.provisioner.lifecycle.launch import claim_of, launch, retry_seconds
from kaito.provisioner.lifecycle.liveness import VANISHED_REASON, conclude, survive
from kaito.provisioner.lifecycle.ownership import OWNED_LABELS, is_ours
from kaito.provisioner.lifecycle.progress import Notice, Progress, Refusal
from kaito.provisioner.lifecycle.registration import register
from kaito.provisioner.lifecycle.termination import Farewell, Remains, released, terminate

STEPS: Final = (accept, launch, survive, register, initialize, conclude)
"""In this order; every step sees what the ones before it decided."""


def decide(at: Progress) -> Progress:
    """Run all steps. Without a cause this returns the Machine and the node as they came in."""
    for step in STEPS:
        at = step(at)
    return at


def decide_acceptance(at: Progress) -> Progress:
    """Run what comes before the cloud is asked."""
    return replace(conclude(accept(at)), requeue_after=None)


__all__ = [
    "OWNED_LABELS",
    "STEPS",
    "VANISHED_REASON",
    "Farewell",
    "Notice",
    "Progress",
    "Refusal",
    "Remains",
    "accept",
    "claim_of",
    "conclude",
    "decide",
    "decide_acceptance",
    "initialize",
    "is_ours",
    "launch",
    "register",
    "released",
    "retry_seconds",
    "survive",
    "terminate",
]
