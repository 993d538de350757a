"""Patches, applies and selectors of our own client, for random objects: the server makes of them what we meant."""

from collections.abc import AsyncIterator

import pytest
import random_objects
from asking import Api
from prometheus_client import CollectorRegistry

from kaito.core import Client, ConnectionSettings


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    settings = ConnectionSettings(api.server, ca_data=api.authority.encode(), token=api.token)
    connected = await Client.connect(settings, field_manager="random", registry=CollectorRegistry())
    await random_objects.prepare(connected)
    yield connected
    await connected.close()


@pytest.mark.parametrize("seed", range(8))
async def test_computed_patches_give_exactly_what_is_wanted(client: Client, namespace: str, seed: int) -> None:
    await random_objects.computed_patches_give_what_is_wanted(client, namespace, seed)
    await random_objects.computed_patches_of_a_deployment_give_what_is_wanted(client, namespace, seed)


@pytest.mark.parametrize("seed", range(8))
async def test_an_apply_gives_exactly_what_is_applied(client: Client, namespace: str, seed: int) -> None:
    await random_objects.an_apply_gives_what_is_applied(client, namespace, seed)


@pytest.mark.parametrize("seed", range(2))
async def test_selectors_select_what_the_server_selects(client: Client, namespace: str, seed: int) -> None:
    await random_objects.selectors_select_what_the_server_selects(client, namespace, seed, 30)
