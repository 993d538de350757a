"""Before anything is bought: the finalizer, and conditions that say that nothing has happened yet."""

from dataclasses import replace

from kaito.api.machine import INSTANCE_TYPE_LABEL, TERMINATION_FINALIZER, Machine
from kaito.provisioner.lifecycle.progress import DEPENDENTS, Progress


def accept(at: Progress) -> Progress:
    """Put the finalizer on the Machine and the conditions to Unknown, if they are not there.

    Source: operatorpkg's condition library, for reason and message.
    """
    metadata = at.machine.metadata
    if TERMINATION_FINALIZER not in metadata.finalizers:
        finalizers = (*metadata.finalizers, TERMINATION_FINALIZER)
        labels = {**_instance_type(at.machine), **metadata.labels}
        metadata = metadata.model_copy(update={"finalizers": finalizers, "labels": labels})
        at = replace(at, machine=at.machine.model_copy(update={"metadata": metadata}))
    for condition_type in DEPENDENTS:
        if at.machine.condition(condition_type) is None:
            at = at.condition(condition_type, "Unknown", "AwaitingReconciliation", "object is awaiting reconciliation")
    return at


def _instance_type(machine: Machine) -> dict[str, str]:
    """Label a Machine that allows only one type before it is bought: `kubectl get machines` shows what it waits for."""
    allowed = machine.required(INSTANCE_TYPE_LABEL)
    return {INSTANCE_TYPE_LABEL: allowed[0]} if len(allowed) == 1 else {}
