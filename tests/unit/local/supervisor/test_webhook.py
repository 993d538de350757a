"""The webhook's configurations on an API server: put there, tried out, taken away."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kaito.api.crd import crds
from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.controllers.webhook import VALIDATE_PATH, WEBHOOK_NAME, WebhookOptions
from kaito.controllers.webhook.serve import serve_webhook
from kaito.controllers.workspace.rules import Catalogue
from kaito.core import Client, Key, Manager, NotFoundError, SystemClock
from kaito.core.kinds import NAMESPACE, VALIDATING_WEBHOOK_CONFIGURATION
from kaito.local.ports import free_port
from kaito.local.supervisor import webhook
from kaito.local.supervisor.kubeconfig import write_kubeconfig
from kaito.local.supervisor.manifests import shipped
from kaito.local.supervisor.webhook import KINDS, LocalWebhook, by_url
from kaito.presets import load_presets, load_skus

KEY = Key("", WEBHOOK_NAME)
CATALOGUE = Catalogue(load_presets(), load_skus())


class Place:
    """An API server, a client of it, and the webhook of a controller on this machine."""

    def __init__(self, server: EmbeddedServer, client: Client, folder: Path) -> None:
        settings = server.connection_settings
        token, authority = folder / "token", folder / "ca.crt"
        token.write_text(settings.token)
        authority.write_bytes(settings.ca_data or settings.ca_file.read_bytes())
        self.kubeconfig = folder / "kubeconfig"
        write_kubeconfig(self.kubeconfig, settings.server, authority, token)
        self.server, self.client, self.port = server, client, free_port()
        self.webhook = LocalWebhook(self.kubeconfig, self.port, SystemClock())

    async def urls(self) -> list[str]:
        found = [await self.client.get(kind, KEY) for kind in KINDS]
        return [one["webhooks"][0]["clientConfig"]["url"] for one in found]


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with EmbeddedServer.start(options=ServerOptions()) as server:
        client = await Client.connect(server.connection_settings, field_manager="tester")
        for document in crds():
            await client.create(document)
        yield Place(server, client, tmp_path)
        await client.close()


async def test_both_configurations_call_the_port_and_a_new_port_replaces_it_but_not_the_authorities(place):
    await place.webhook.install()
    assert (await place.urls())[0] == f"https://127.0.0.1:{place.port}{VALIDATE_PATH}"
    await place.client.patch(
        VALIDATING_WEBHOOK_CONFIGURATION,
        KEY,
        [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "bm9uZQ=="}],
        patch_type="json",
    )
    await LocalWebhook(place.kubeconfig, 1, SystemClock()).install()
    live = await place.client.get(VALIDATING_WEBHOOK_CONFIGURATION, KEY)
    (entry,) = live["webhooks"]
    assert entry["clientConfig"] == {"url": f"https://127.0.0.1:1{VALIDATE_PATH}", "caBundle": "bm9uZQ=="}
    assert (await place.client.get(NAMESPACE, Key("", "kaito-system")))["metadata"]["labels"]


async def test_those_of_an_installed_kaito_stay(place):
    for one in shipped("base/webhook"):
        if "webhooks" in one:
            await place.client.create(one)
    await place.webhook.install()
    await place.webhook.remove()
    for kind in KINDS:
        (entry,) = (await place.client.get(kind, KEY))["webhooks"]
        assert entry["clientConfig"]["service"]["name"] == WEBHOOK_NAME


async def test_they_go_with_the_webhook_that_they_call_and_not_with_another(place):
    await place.webhook.install()
    await LocalWebhook(place.kubeconfig, 1, SystemClock()).remove()
    assert len(await place.urls()) == 2
    await place.webhook.remove()
    await place.webhook.remove()
    for kind in KINDS:
        with pytest.raises(NotFoundError):
            await place.client.get(kind, KEY)


async def test_an_api_server_that_is_gone_holds_up_no_end(place, tmp_path):
    gone = tmp_path / "gone"
    gone.write_text(
        place.kubeconfig.read_text().replace(place.server.connection_settings.server, "https://127.0.0.1:1")
    )
    await LocalWebhook(gone, place.port, SystemClock()).remove()


async def test_a_webhook_that_answers_is_confirmed(place):
    await place.webhook.install()
    async with Manager.connect("kaito-controller", settings=place.server.connection_settings) as manager:
        serve_webhook(manager, WebhookOptions(port=place.port, namespace="kaito-system"), CATALOGUE)
        await manager.start()
        assert await place.webhook.confirm()
        assert len(await place.urls()) == 2


async def test_a_webhook_that_the_api_server_does_not_reach_is_taken_away(place, monkeypatch):
    monkeypatch.setattr(webhook, "REACH_SECONDS", 0.0)
    await place.webhook.install()
    assert not await place.webhook.confirm()
    with pytest.raises(NotFoundError):
        await place.client.get(VALIDATING_WEBHOOK_CONFIGURATION, KEY)


def test_every_shipped_webhook_gets_a_url_in_place_of_its_service():
    for one in shipped("base/webhook"):
        if "webhooks" in one:
            (entry,) = by_url(one, 7)["webhooks"]
            path = one["webhooks"][0]["clientConfig"]["service"]["path"]
            assert entry["clientConfig"] == {"url": f"https://127.0.0.1:7{path}"}
