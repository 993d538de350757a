"""Copies the pull secrets of adapters into one Secret, which every pod of the Workspace mounts if it is there.

Nobody here may list or watch Secrets: the few that a Workspace names are read one by one, again from time to time.
"""

import base64
import binascii
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from kaito.api import WORKSPACE_LABEL, Workspace
from kaito.controllers.workspace.known import NO_CREDENTIALS, Credentials
from kaito.controllers.workspace.ownership import NameTakenError, reference
from kaito.controllers.workspace.workload import credentials_name
from kaito.core import Client, Clock
from kaito.core.errors import ForbiddenError, InvalidError, NotFoundError
from kaito.core.kinds import SECRET
from kaito.core.objects import Key, Object, owner_reference

RESYNC_SECONDS: Final = 300.0
"""How old a copy may get: a rotated password is in every pod a little later than that."""

RETRY_SECONDS: Final = (2.0, 240.0)
"""First and longest wait before a Secret is read again that was missing or wrong, or that a registry refused.

Below `RESYNC_SECONDS`, by which a look out of doubt is told from one that was due.
"""

LARGEST_COPY: Final = 900_000
"""Bytes of all copies together; an object may have a MiB."""

_TYPES: Final = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
_MOST_TRIES: Final = 16
_LONGEST_NAME: Final = 253 - len(".json")


@dataclass(frozen=True)
class _Look:
    """What the last look at a Workspace's Secrets found."""

    secrets: tuple[str, ...]
    problems: dict[str, str]
    at: float
    tries: int


class CredentialCopier:
    """Reads pull secrets and writes their copies; knows what was wrong with them."""

    def __init__(self, client: Client, clock: Clock, changed: Callable[[Key], None]) -> None:
        self._client = client
        self._clock = clock
        self._changed = changed
        self._looks: dict[Key, _Look] = {}

    def known(self, workspace: Key) -> Credentials:
        """Return what the last look found, and when the next is due."""
        look = self._looks.get(workspace)
        if look is None:
            return NO_CREDENTIALS
        age = self._clock.monotonic() - look.at
        pause = min(RETRY_SECONDS[0] * 2**look.tries, RETRY_SECONDS[1])
        return Credentials(look.secrets, look.problems, due_in=RESYNC_SECONDS - age, doubted_in=pause - age)

    def forget(self, workspace: Key) -> None:
        """Drop what is known of a Workspace that is gone."""
        self._looks.pop(workspace, None)

    async def copy(self, workspace: Workspace, secrets: tuple[str, ...]) -> None:
        """Bring the copy up to date; what is wrong or refused is a problem of adapters. Raises what may pass."""
        key = Key(workspace.metadata.namespace, workspace.metadata.name)
        data: dict[str, str] = {}
        problems: dict[str, str] = {}
        for name in secrets:
            content = await self._read(Key(key.namespace, name))
            if not isinstance(content, bytes):
                problems[name] = content
            elif sum(map(len, data.values())) + len(content) > LARGEST_COPY:
                problems[name] = f"Secret {name} and those before it are too large together: {LARGEST_COPY} bytes fit."
            else:
                data[f"{name}.json"] = base64.b64encode(content).decode()
        try:
            await self._write(workspace, data)
        except (ForbiddenError, InvalidError, NameTakenError) as error:
            problems |= dict.fromkeys(secrets, f"The pull secrets could not be copied. {error.advice}")
        before, now = self._looks.get(key), self._clock.monotonic()
        doubted = before is not None and before.secrets == secrets and now - before.at < RESYNC_SECONDS
        tries = before.tries + 1 if before is not None and doubted else 0
        self._looks[key] = _Look(secrets, problems, now, min(tries, _MOST_TRIES))
        self._changed(key)

    async def delete(self, workspace: Workspace) -> None:
        """Delete the copy, if it is there and this Workspace's. Raises what the API server answers."""
        key = Key(workspace.metadata.namespace, workspace.metadata.name)
        with contextlib.suppress(NotFoundError, NameTakenError):
            copy = await self._copy(workspace)
            await self._client.delete(
                SECRET, Key(key.namespace, credentials_name(key.name)), uid=copy["metadata"]["uid"]
            )
        self.forget(key)

    async def _read(self, key: Key) -> bytes | str:
        """Return a Secret as a Docker config file, or what is wrong with it and what to do."""
        how = f"Make it with `kubectl create secret docker-registry -n {key.namespace}`."
        if len(key.name) > _LONGEST_NAME:
            return f"imagePullSecrets: the name {key.name} is too long. Use at most {_LONGEST_NAME} characters."
        try:
            secret = await self._client.get(SECRET, key)
        except NotFoundError:
            return f"imagePullSecrets: there is no Secret {key}. {how}"
        except ForbiddenError as error:
            return f"imagePullSecrets: Secret {key} may not be read. {error.advice}"
        field = _TYPES.get(secret.get("type", ""))
        if field is None:
            return f"imagePullSecrets: Secret {key} is of type {secret.get('type')!r}, which no registry takes. {how}"
        try:
            content = orjson.loads(base64.b64decode((secret.get("data") or {})[field], validate=True))
        except (KeyError, binascii.Error, orjson.JSONDecodeError):
            return f"imagePullSecrets: {field} of Secret {key} is no JSON. {how}"
        config = {"auths": content} if field == ".dockercfg" else content
        if not isinstance(config, dict) or not isinstance(config.get("auths"), dict):
            return f"imagePullSecrets: {field} of Secret {key} has no auths. {how}"
        return orjson.dumps({"auths": config["auths"]})

    async def _write(self, workspace: Workspace, data: dict[str, str]) -> None:
        try:
            copy = await self._copy(workspace)
        except NotFoundError:
            await self._client.create(_secret(workspace, data))
            return
        if (had := copy.get("data") or {}) != data:
            gone = dict.fromkeys(had.keys() - data.keys())
            body = {"metadata": {"uid": copy["metadata"]["uid"]}, "data": {**gone, **data}}
            key = Key(workspace.metadata.namespace, credentials_name(workspace.metadata.name))
            await self._client.patch(SECRET, key, body)

    async def _copy(self, workspace: Workspace) -> Object:
        """Return the copy. Raises NotFoundError, and NameTakenError where it is somebody else's."""
        name = credentials_name(workspace.metadata.name)
        secret = await self._client.get(SECRET, Key(workspace.metadata.namespace, name))
        owners = {owner["uid"] for owner in secret["metadata"].get("ownerReferences", ())}
        if workspace.metadata.uid not in owners:
            raise NameTakenError(f"Secret {name}")
        return secret


def _secret(workspace: Workspace, data: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "namespace": workspace.metadata.namespace,
            "name": credentials_name(workspace.metadata.name),
            "labels": {WORKSPACE_LABEL: workspace.metadata.name},
            "ownerReferences": [owner_reference(reference(workspace))],
        },
        "type": "Opaque",
        "data": data,
    }
