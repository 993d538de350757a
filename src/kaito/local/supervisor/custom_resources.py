"""Puts the CRDs on the API server and waits until they are served."""

from pathlib import Path

from kaito.api.crd import crds
from kaito.core import Client, Key, load_connection
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.core.kinds import CUSTOM_RESOURCE_DEFINITION
from kaito.local.controllers.conditions import condition

ESTABLISHED_SECONDS = 30.0
POLL_SECONDS = 0.1


async def install_custom_resources(kubeconfig: Path, clock: Clock) -> list[str]:
    """Apply every CRD (server-side) and return their names. KaitoError when one is refused or not served in time."""
    client = await Client.connect(load_connection(str(kubeconfig)), field_manager="kaito")
    try:
        documents = crds()
        for document in documents:
            await client.apply(document)
        names = [document["metadata"]["name"] for document in documents]
        for name in names:
            await _established(client, name, clock)
        return names
    finally:
        await client.close()


async def _established(client: Client, name: str, clock: Clock) -> None:
    end = clock.monotonic() + ESTABLISHED_SECONDS
    while True:
        definition = await client.get(CUSTOM_RESOURCE_DEFINITION, Key("", name))
        found = condition(definition.get("status") or {}, "Established")
        if found is not None and found.get("status") == "True":
            return
        if clock.monotonic() > end:
            raise KaitoError(
                "NotEstablished",
                f"CustomResourceDefinition {name} is not served after {ESTABLISHED_SECONDS:.0f} s.",
                terminal=True,
                remedy=f"`kubectl describe crd {name}` names what it waits for.",
            )
        await clock.sleep(POLL_SECONDS)
