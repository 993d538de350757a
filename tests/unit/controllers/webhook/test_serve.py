"""The webhook in the controller's process, asked by the embedded API server with the shipped configurations."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from kaito.api import WORKSPACE
from kaito.api.crd import crds
from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.controllers.webhook import CERTIFICATE_SECRET, WEBHOOK_NAME, WebhookOptions
from kaito.controllers.webhook.serve import serve_webhook
from kaito.controllers.workspace.rules import Catalogue
from kaito.core import ApiError, Client, InvalidError, KaitoError, Key, Kind, Manager, NotFoundError
from kaito.core.kinds import EVENT, SECRET, VALIDATING_WEBHOOK_CONFIGURATION
from kaito.local.ports import free_port
from kaito.local.supervisor.manifests import shipped
from kaito.local.supervisor.webhook import by_url
from kaito.presets import load_presets, load_skus

CATALOGUE = Catalogue(load_presets(), load_skus())
NAMESPACE = "default"
RAW = Kind(WORKSPACE.api_version, "Workspace", dict, "workspaces", True)
KEY = Key(NAMESPACE, "phi")
GOOD = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": "phi", "namespace": NAMESPACE},
    "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi"}}},
    "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
}
BAD = {**GOOD, "inference": {"preset": {"name": "phi-3-mini-4k-instrct"}}}
ADAPTER = {"source": {"name": "a", "image": "example.org/a:1"}}


@dataclass
class Stage:
    client: Client
    manager: Manager
    server: EmbeddedServer


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    """A server with the CRDs and the shipped configurations, and a controller that serves them; a standby."""
    port = free_port()
    async with EmbeddedServer.start(options=ServerOptions()) as server:
        client = await Client.connect(server.connection_settings, field_manager="tester")
        for document in (*crds(), *(by_url(one, port) for one in shipped("base/webhook") if "webhooks" in one)):
            await client.create(document)
        async with Manager.connect("kaito-controller", settings=server.connection_settings) as manager:
            serve_webhook(manager, WebhookOptions(port=port, namespace=NAMESPACE), CATALOGUE)
            await manager.start()
            yield Stage(client, manager, server)
        await client.close()


async def ready(stage: Stage) -> None:
    (check,) = (check for name, check in stage.manager._ready_checks.items() if name == "webhook")
    while check():
        await stage.manager.clock.sleep(0.01)


async def refusal(awaitable) -> ApiError:
    try:
        await awaitable
    except ApiError as error:
        return error
    raise AssertionError("it was taken")


async def test_it_is_ready_when_the_api_server_trusts_it_and_refuses_with_reason_field_and_remedy(stage):
    await ready(stage)
    error = await refusal(stage.client.create(BAD))
    assert isinstance(error, InvalidError)
    assert error.message.startswith('admission webhook "validation.workspace.kaito.sh" denied the request: ')
    (cause,) = error.status.details["causes"]
    assert (cause["reason"], cause["field"]) == ("UnknownPreset", "inference.preset.name")
    await stage.client.create(GOOD)


async def test_an_adapter_gets_the_strength_that_the_controller_would_assume(stage):
    await ready(stage)
    inference = {**GOOD["inference"], "adapters": [ADAPTER, {**ADAPTER, "strength": "0.5"}]}
    inference["adapters"][1]["source"] = {**ADAPTER["source"], "name": "b"}
    made = await stage.client.create({**GOOD, "inference": inference})
    assert [adapter["strength"] for adapter in made["inference"]["adapters"]] == ["1.0", "0.5"]


async def test_with_the_webhook_gone_metadata_status_and_deletion_go_on_and_a_new_spec_waits(stage):
    await ready(stage)
    await stage.client.create({**GOOD, "metadata": {**GOOD["metadata"], "finalizers": ["example.org/held"]}})
    await stage.manager.stop()
    await stage.client.patch(RAW, KEY, {"metadata": {"labels": {"team": "a"}}})
    await stage.client.patch(RAW, KEY, {"status": {"phase": "Ready"}}, subresource="status")
    change = {"inference": {"config": "settings"}}
    error = await refusal(stage.client.patch(RAW, KEY, change))
    assert error.code == 500
    assert 'failed calling webhook "validation.workspace.kaito.sh"' in error.message
    assert "connection refused" in error.message
    await stage.client.delete(RAW, KEY)
    assert (await stage.client.get(RAW, KEY))["metadata"]["deletionTimestamp"]
    await stage.client.patch(RAW, KEY, change)
    await stage.client.patch(RAW, KEY, {"metadata": {"finalizers": None}})
    assert isinstance(await refusal(stage.client.get(RAW, KEY)), NotFoundError)


async def test_a_secret_that_somebody_broke_is_made_anew_and_an_event_says_so(stage):
    await ready(stage)
    key = Key(NAMESPACE, CERTIFICATE_SECRET)
    before = await stage.client.get(SECRET, key)
    await stage.client.update({**before, "data": {**before["data"], "tls.key": base64.b64encode(b"none").decode()}})
    (keep,) = (run for run in stage.manager._servers._runs if run.__qualname__.startswith("CertificateKeeper"))
    await keep.__self__.look()
    await stage.manager.events.flush()
    assert (await stage.client.get(SECRET, key))["data"] == before["data"]
    (event,) = (await stage.client.list(EVENT, namespace=NAMESPACE)).items
    assert (event["type"], event["reason"]) == ("Warning", "CertificateRenewed")
    assert event["involvedObject"]["name"] == CERTIFICATE_SECRET
    assert before["data"]["tls.key"] not in str(event)
    configuration = await stage.client.get(VALIDATING_WEBHOOK_CONFIGURATION, Key("", WEBHOOK_NAME))
    assert configuration["webhooks"][0]["clientConfig"]["caBundle"] == before["data"]["ca.crt"]


async def test_outside_a_pod_the_namespace_has_to_be_given(stage):
    async with Manager.connect("other", settings=stage.server.connection_settings) as manager:
        with pytest.raises(KaitoError, match="--webhook-namespace") as caught:
            serve_webhook(manager, WebhookOptions(), CATALOGUE)
    assert (caught.value.reason, caught.value.terminal) == ("NamespaceMissing", True)


async def test_a_port_that_is_taken_ends_the_process_and_says_so(stage):
    await ready(stage)
    with pytest.raises(KaitoError, match="--webhook-port") as caught:
        await serve_beside(stage)
    assert caught.value.reason == "AddressInUse"


async def serve_beside(stage):
    """Serve on the port that is taken already, until that fails."""
    configuration = await stage.client.get(VALIDATING_WEBHOOK_CONFIGURATION, Key("", WEBHOOK_NAME))
    port = urlsplit(configuration["webhooks"][0]["clientConfig"]["url"]).port
    async with Manager.connect("other", settings=stage.server.connection_settings) as manager:
        serve_webhook(manager, WebhookOptions(port=port, namespace=NAMESPACE), CATALOGUE)
        await manager.start()
        await manager._running
