"""Whose an object is: how a Workspace is named as an owner, and what is said where another has the name."""

from kaito.api import WORKSPACE, Workspace
from kaito.controllers.workspace.reasons import Reason
from kaito.core.errors import KaitoError
from kaito.core.objects import Object


class NameTakenError(KaitoError):
    """An object of the name that the Workspace needs belongs to something else; tried again, since that may go."""

    def __init__(self, what: str) -> None:
        super().__init__(
            Reason.NAME_TAKEN,
            f"{what} is there already and does not belong to this Workspace.",
            remedy="Delete it, or give the Workspace another name.",
        )


def reference(workspace: Workspace) -> Object:
    """Return what names a Workspace: to own objects, to take events, and to be written only if it is still this one."""
    metadata = workspace.metadata
    return {
        "apiVersion": WORKSPACE.api_version,
        "kind": WORKSPACE.kind,
        "metadata": {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid},
    }
