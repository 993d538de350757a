"""The admission webhook of a controller that runs on this machine: the API server calls it by URL, on 127.0.0.1."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from kaito.api import WORKSPACE
from kaito.controllers.webhook import WEBHOOK_NAME
from kaito.core import ApiError, Client, KaitoError, Key, Kind, NotFoundError, Object, load_connection
from kaito.core.clock import Clock, deadline
from kaito.core.kinds import MUTATING_WEBHOOK_CONFIGURATION, VALIDATING_WEBHOOK_CONFIGURATION
from kaito.core.logs import get_logger
from kaito.local.supervisor.manifests import shipped

_log = get_logger()

KINDS: Final[tuple[Kind[Any], ...]] = (VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION)
REACH_SECONDS: Final = 5.0
"""How long an API server may take to find the webhook; kube-apiserver hears of a new configuration within one."""
POLL_SECONDS: Final = 0.1
REMOVE_SECONDS: Final = 5.0
REFUSED: Final = 'admission webhook "validation.workspace.kaito.sh" denied'
UNREACHED: Final = "failed calling webhook"
"""Words of every API server about an answer, and about none."""

PROBE: Final[Object] = {
    "apiVersion": WORKSPACE.api_version,
    "kind": "Workspace",
    "metadata": {"name": "kaito-webhook-probe", "namespace": "default"},
    "resource": {"labelSelector": {"matchLabels": {"apps": "kaito-webhook-probe"}}},
    "inference": {"preset": {"name": "kaito-no-such-preset"}},
}
"""What the webhook refuses and the schema does not; only ever a dry run."""


def by_url(configuration: Object, port: int) -> Object:
    """Return a shipped configuration with its webhooks on a port of this machine instead of behind a Service."""
    webhooks = []
    for webhook in configuration["webhooks"]:
        path = webhook["clientConfig"]["service"]["path"]
        webhooks.append({**webhook, "clientConfig": {"url": f"{_address(port)}{path}"}})
    return {**configuration, "webhooks": webhooks}


class LocalWebhook:
    """The two configurations on one API server, by which it calls the controller at `port`."""

    def __init__(self, kubeconfig: Path, port: int, clock: Clock) -> None:
        self._kubeconfig = kubeconfig
        self._port = port
        self._clock = clock

    async def install(self) -> None:
        """Apply the configurations, and the namespace of their certificate. KaitoError.

        Those of a kaito that is installed in the cluster stay as they are.
        """
        async with self._client() as client:
            for obj in shipped("base/rbac"):
                if obj["kind"] == "Namespace":
                    await client.apply(obj)
            for kind, obj in _configurations():
                live = await _live(client, kind)
                if not any("service" in webhook["clientConfig"] for webhook in live.get("webhooks") or ()):
                    await client.apply(by_url(obj, self._port))

    async def confirm(self) -> bool:
        """Ask the API server until the webhook refuses; take it away, and return False, where it is not reached.

        A server on another machine, or in a container, does not reach ours: it would take no Workspace at all.
        """
        end = self._clock.monotonic() + REACH_SECONDS
        async with self._client() as client:
            while REFUSED not in (said := await _probe(client)):
                if self._clock.monotonic() > end:
                    _log.warning("the API server does not reach the webhook", said=said)
                    if UNREACHED in said:
                        await self._delete(client)
                    return False
                await self._clock.sleep(POLL_SECONDS)
        return True

    async def remove(self) -> None:
        """Delete the configurations that call our port: nothing answers there any more. A failure is only logged."""
        try:
            async with deadline(self._clock, REMOVE_SECONDS), self._client() as client:
                await self._delete(client)
        except (KaitoError, TimeoutError) as error:
            remedy = f"kubectl delete validatingwebhookconfiguration,mutatingwebhookconfiguration {WEBHOOK_NAME}"
            _log.warning("the webhook configurations could not be deleted", error=str(error), remedy=remedy)

    async def _delete(self, client: Client) -> None:
        for kind in KINDS:
            live = await _live(client, kind)
            called = [webhook["clientConfig"].get("url", "") for webhook in live.get("webhooks") or ()]
            if any(url.startswith(f"{_address(self._port)}/") for url in called):
                await client.delete(kind, Key("", WEBHOOK_NAME), uid=live["metadata"]["uid"])

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        client = await Client.connect(load_connection(str(self._kubeconfig)), field_manager="kaito")
        try:
            yield client
        finally:
            await client.close()


def _address(port: int) -> str:
    return f"https://127.0.0.1:{port}"


def _configurations() -> list[tuple[Kind[Any], Object]]:
    kinds = {kind.kind: kind for kind in KINDS}
    return [(kinds[obj["kind"]], obj) for obj in shipped("base/webhook") if obj["kind"] in kinds]


async def _live(client: Client, kind: Kind[Any]) -> Object:
    """Return the configuration as it is; an empty object where there is none."""
    try:
        live: Object = await client.get(kind, Key("", WEBHOOK_NAME))
    except NotFoundError:
        return {}
    return live


async def _probe(client: Client) -> str:
    """Return what the API server says against the probe, nothing where it takes it."""
    try:
        await client.create(PROBE, dry_run=True)
    except ApiError as error:
        return error.message
    return ""
