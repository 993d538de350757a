"""The only file that writes: it does what was decided, in order, then writes the status."""

import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from kaito.api import MACHINE, WORKSPACE, WORKSPACE_LABEL, Workspace
from kaito.controllers.workspace.claims import Claim
from kaito.controllers.workspace.credentials import CredentialCopier
from kaito.controllers.workspace.decide import Decision
from kaito.controllers.workspace.ownership import NameTakenError, reference
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import (
    Action,
    Apply,
    CopyCredentials,
    Create,
    CreateAdminSecret,
    Delete,
    DeleteCredentials,
    Patch,
    SetFinalizers,
)
from kaito.core import Cache, Client
from kaito.core.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT, SECRET, SERVICE
from kaito.core.objects import Key, Object, key_of, owner_reference

_CHILDREN = {kind.kind: kind for kind in (CONFIG_MAP, DEPLOYMENT, SERVICE)}


class Actor:
    """Carries out decisions. `token` draws the secret of an admin port."""

    def __init__(self, client: Client, cache: Cache, token: Callable[[], str], credentials: CredentialCopier) -> None:
        self._client = client
        self._credentials = credentials
        self._cache = cache
        self._token = token
        self._looked_for: defaultdict[Key, str] = defaultdict(str)  # the pod that an admin Secret was seen to last

    async def act(self, snapshot: Snapshot, decision: Decision) -> None:
        """Do it. A repeated act does nothing twice. Raises what the API server answers, but for what is as wanted."""
        for action in decision.actions:
            await self._one(snapshot.workspace, action)
        await self.write_status(snapshot.workspace, decision)

    async def write_status(self, workspace: Workspace, decision: Decision) -> None:
        """Write the status, if it is another one."""
        if decision.status is None or decision.status == workspace.status:
            return
        status = decision.status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
        try:
            await self._client.apply({**reference(workspace), "status": status}, subresource="status")
        except NotFoundError:
            return

    async def release(self, key: Key, claims: tuple[Claim, ...]) -> None:
        """Delete the claims of a Workspace that is gone, once the API server itself says that it is."""
        self._looked_for.pop(key, None)
        self._credentials.forget(key)
        if claims and not (await self._client.list(WORKSPACE, key.namespace, fields=f"metadata.name={key.name}")).items:
            for claim in claims:
                await self._delete(Delete(MACHINE, Key("", claim.name), claim.uid))

    async def _delete(self, action: Delete) -> None:
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._client.delete(action.kind, action.key, uid=action.uid, propagation="Background")

    async def _one(self, workspace: Workspace, action: Action) -> None:
        match action:
            case Apply(obj):
                await self._apply(workspace, obj)
            case Create(_, obj):
                await self._create(obj)
            case Delete():
                await self._delete(action)
            case Patch(kind, key, body):
                with contextlib.suppress(NotFoundError):
                    await self._client.patch(kind, key, body)
            case CreateAdminSecret(name, for_pod):
                key = Key(workspace.metadata.namespace, workspace.metadata.name)
                if not for_pod or self._looked_for[key] != for_pod:
                    await self._create_admin_secret(workspace, name)
                    self._looked_for[key] = for_pod
            case CopyCredentials(secrets):
                await self._credentials.copy(workspace, secrets)
            case DeleteCredentials():
                await self._credentials.delete(workspace)
            case SetFinalizers(finalizers):
                await self._set_finalizers(workspace, finalizers)

    async def _apply(self, workspace: Workspace, obj: Object) -> None:
        """Apply a child. Foreign edits of one that is ours are undone; one that is somebody else's is left alone."""
        entry = self._cache.entry(_CHILDREN[obj["kind"]], key_of(obj))
        ours = entry is not None and any(
            owner.uid == workspace.metadata.uid for owner in entry.metadata.owner_references
        )
        try:
            await self._client.apply(obj, owner=reference(workspace), force=ours)
        except ConflictError as error:
            if ours:
                raise
            raise NameTakenError(f"{obj['kind']} {obj['metadata']['name']}") from error
        except InvalidError:
            if entry is None or not ours:
                raise
            await self._restore(obj, entry.metadata.uid)
            await self._client.apply(obj, owner=reference(workspace), force=True)

    async def _restore(self, obj: Object, uid: str) -> None:
        """Put whole lists back.

        An apply adds our items to those of others, which need not go together: two ports of one name are refused.
        """
        lists = {key: value for key, value in obj.get("spec", {}).items() if isinstance(value, list)}
        if lists:
            await self._client.patch(_CHILDREN[obj["kind"]], key_of(obj), {"metadata": {"uid": uid}, "spec": lists})

    async def _create(self, obj: Object) -> None:
        try:
            await self._client.create(obj)
        except AlreadyExistsError:
            return

    async def _create_admin_secret(self, workspace: Workspace, name: str) -> None:
        """Make the Secret. One that is there must be this Workspace's: that of an earlier one is about to go."""
        try:
            await self._client.create(_admin_secret(workspace, name, self._token()))
        except AlreadyExistsError:
            secret = await self._client.get(SECRET, Key(workspace.metadata.namespace, name))
            owners = {owner["uid"] for owner in secret["metadata"].get("ownerReferences", ())}
            if workspace.metadata.uid not in owners:
                raise NameTakenError(f"Secret {name}") from None

    async def _set_finalizers(self, workspace: Workspace, finalizers: tuple[str, ...]) -> None:
        """Replace the list under the resourceVersion that it was read at, since others have finalizers too."""
        metadata = workspace.metadata
        body: dict[str, Any] = {
            "metadata": {
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
                "finalizers": list(finalizers),
            }
        }
        try:
            await self._client.patch(WORKSPACE, Key(metadata.namespace, metadata.name), body)
        except NotFoundError:
            return


def _admin_secret(workspace: Workspace, name: str, token: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "namespace": workspace.metadata.namespace,
            "name": name,
            "labels": {WORKSPACE_LABEL: workspace.metadata.name},
            "ownerReferences": [owner_reference(reference(workspace))],
        },
        "type": "Opaque",
        "stringData": {"token": token},
    }
