"""The cloud `kwok`: instances are Node objects of the cluster itself (Kubernetes WithOut Kubelet).

All state is in the API server, so any replica of the provisioner can go on with it. Pods are scheduled to such nodes
and stay Pending. What a kubelet must do for the control plane to trust a node is done here: heartbeats, and the word
that a deleted pod has ended.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from kaito.core import AlreadyExistsError, ApiError, Client, ConnectionLostError, KaitoError, Key, NotFoundError, Object
from kaito.core.clock import Clock
from kaito.core.kinds import NODE, POD
from kaito.core.logs import get_logger
from kaito.provisioner.clouds.cloud import (
    Claim,
    CloudError,
    CloudUnavailableError,
    Instance,
    InstanceNotFoundError,
    InvalidConfigurationError,
)
from kaito.provisioner.clouds.kwok.node import (
    CLOUD,
    CLOUD_LABEL,
    PROVIDER_ID_PREFIX,
    heartbeat,
    instance_of,
    is_going,
    node_of,
)

log = get_logger()

HEARTBEAT_SECONDS: Final = 10.0
"""As often as a kubelet renews its lease; a node that is silent for 50 s counts as lost."""
RETRY_SECONDS: Final = 2.0


class KwokCloud:
    """Nodes without machines."""

    name = CLOUD
    deletion_poll_seconds = 1.0
    contact_log_hint = "Its Node object was deleted, or the node controller has marked it."

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def owns(self, provider_id: str) -> bool:
        """Every node of this scheme is one of ours."""
        return provider_id.startswith(PROVIDER_ID_PREFIX)

    def revision(self) -> str:
        """Nothing is ever sold out here."""
        return ""

    async def create(self, claim: Claim) -> Instance:
        """Make the Node, or return the one that this claim already has."""
        if not claim.instance_types:
            raise InvalidConfigurationError(f"Machine {claim.name} requires no instance type")
        node = node_of(claim, claim.instance_types[0], self._clock.now())
        async with _asking():
            try:
                return instance_of(await self._client.create(node))
            except AlreadyExistsError:
                found = await self._find(claim.name)
        if found is None:
            raise CloudUnavailableError(
                f"A Node {claim.name} that is not of this cloud, or is being deleted, has the name of this claim.",
                remedy="It is tried again when that Node is gone.",
                retry_after=RETRY_SECONDS,
            )
        return instance_of(found)

    async def delete(self, name: str) -> None:
        """Delete the Node; what holds it by finalizers is not the machine's affair."""
        async with _asking():
            if await self._find(name) is None:
                raise InstanceNotFoundError(name)
            await self._client.delete(NODE, Key("", name))

    async def get(self, name: str) -> Instance:
        """Ask the API server for the Node."""
        async with _asking():
            found = await self._find(name)
        if found is None:
            raise InstanceNotFoundError(name)
        return instance_of(found)

    async def list(self) -> list[Instance]:
        """Ask the API server for all Nodes of this cloud."""
        async with _asking():
            return [instance_of(node) for node in await self._nodes()]

    async def play_kubelets(self) -> None:
        """Keep the nodes alive until cancelled."""
        while True:
            try:
                for node in await self._nodes():
                    await self._play_kubelet(node)
            except KaitoError as error:
                log.warning("nodes without machines were not kept alive", reason=error.reason, error=error.message)
            await self._clock.sleep(HEARTBEAT_SECONDS)

    async def _play_kubelet(self, node: Object) -> None:
        name = node["metadata"]["name"]
        conditions = (node.get("status") or {}).get("conditions") or []
        since = next((one["lastTransitionTime"] for one in conditions if one["type"] == "Ready" and _true(one)), "")
        status = {"status": heartbeat(self._clock.now(), since)}
        await self._client.patch(NODE, Key("", name), status, patch_type="strategic", subresource="status")
        pods = await self._client.list(POD, fields=f"spec.nodeName={name}")
        for pod in pods.items:
            metadata = pod["metadata"]
            if metadata.get("deletionTimestamp"):
                key = Key(metadata["namespace"], metadata["name"])
                await self._client.delete(POD, key, uid=metadata["uid"], grace_period_seconds=0)

    async def _nodes(self) -> Sequence[Object]:
        found = await self._client.list(NODE, labels=f"{CLOUD_LABEL}={CLOUD}")
        return [node for node in found.items if not is_going(node)]

    async def _find(self, name: str) -> Object | None:
        found = await self._client.list(NODE, labels=f"{CLOUD_LABEL}={CLOUD}", fields=f"metadata.name={name}")
        return next((node for node in found.items if not is_going(node)), None)


def _true(condition: Object) -> bool:
    return bool(condition["status"] == "True")


@asynccontextmanager
async def _asking() -> AsyncIterator[None]:
    """Turn what the API server answers into what a cloud may answer."""
    try:
        yield
    except CloudError:
        raise
    except NotFoundError as error:
        raise InstanceNotFoundError(str(error.status.details.get("name", ""))) from error
    except (ApiError, ConnectionLostError) as error:
        raise CloudUnavailableError(f"The API server did not take a Node: {error.message}") from error
