"""Pods that a Job or a ReplicaSet makes and deletes, with the events that say so."""

import asyncio
from collections.abc import Sequence

from kaito.core import ApiError, Client, EventRecorder, NotFoundError, Object, key_of
from kaito.core.kinds import POD


class PodWrites:
    """Writes the pods of owners, and records it on them in kube-controller-manager's words."""

    def __init__(self, client: Client, events: EventRecorder) -> None:
        self._client = client
        self._events = events

    async def create(self, owner: Object, pods: Sequence[Object]) -> None:
        """Create the pods in growing batches (1, 2, 4 …), so that a refusal costs one request.

        The first ApiError is raised once its batch has ended; later batches are not begun.
        """
        done, batch = 0, 1
        while done < len(pods):
            begun = (self._create(owner, pod) for pod in pods[done : done + batch])
            for result in await asyncio.gather(*begun, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
            done, batch = done + batch, batch * 2

    async def delete(self, owner: Object, pods: Sequence[Object]) -> None:
        """Delete the pods, at once; those that have gone already are passed over."""
        await asyncio.gather(*(self._delete(owner, pod) for pod in pods))

    async def _create(self, owner: Object, wanted: Object) -> None:
        try:
            pod = await self._client.create(wanted)
        except ApiError as error:
            self._events.record(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._events.record(owner, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    async def _delete(self, owner: Object, pod: Object) -> None:
        try:
            await self._client.delete(POD, key_of(pod), uid=pod["metadata"]["uid"])
        except NotFoundError:
            return
        self._events.record(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
