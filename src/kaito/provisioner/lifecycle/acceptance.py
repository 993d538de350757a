"""Before anything is bought: the finalizer, and conditions that say that nothing has happened yet."""

from dataclasses import replace

from kaito.api.machine import TERMINATION_FINALIZER
from kaito.provisioner.lifecycle.progress import DEPENDENTS, Progress


def accept(at: Progress) -> Progress:
    """Put the finalizer on the Machine and the conditions to Unknown, if they are not there.

    Source: operatorpkg's condition library, for reason and message.
    """
    metadata = at.machine.metadata
    if TERMINATION_FINALIZER not in metadata.finalizers:
        metadata = metadata.model_copy(update={"finalizers": (*metadata.finalizers, TERMINATION_FINALIZER)})
        at = replace(at, machine=at.machine.model_copy(update={"metadata": metadata}))
    for condition_type in DEPENDENTS:
        if at.machine.condition(condition_type) is None:
            at = at.condition(condition_type, "Unknown", "AwaitingReconciliation", "object is awaiting reconciliation")
    return at
