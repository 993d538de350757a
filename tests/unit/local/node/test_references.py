"""What a node reads of its pods' ConfigMaps and Secrets, and how often."""

from typing import Any, cast

import pytest

from kaito.core import Client, Key, NotFoundError
from kaito.core.errors import Status
from kaito.local.node.references import SECRET_SECONDS, Secrets, references
from kaito.testing import VirtualClock

KEY = Key("default", "token")


class Server:
    """Stands in for the client: holds Secrets and counts how often it is asked."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {KEY: {"data": {"token": "MQ=="}}}
        self.asked = 0

    async def get(self, _: object, key: Key) -> dict[str, Any]:
        self.asked += 1
        if key not in self.objects:
            raise NotFoundError(Status(code=404, reason="NotFound", message="not found"))
        return self.objects[key]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def secrets(server: Server, clock: VirtualClock) -> Secrets:
    return Secrets(cast("Client", server), clock)


async def test_a_secret_is_read_once_within_a_minute_and_again_after_it(
    secrets: Secrets, server: Server, clock: VirtualClock
) -> None:
    await secrets.get(KEY)
    server.objects[KEY] = {"data": {"token": "Mg=="}}
    assert await secrets.get(KEY) == {"data": {"token": "MQ=="}}
    assert server.asked == 1
    await clock.advance(SECRET_SECONDS)
    assert await secrets.get(KEY) == {"data": {"token": "Mg=="}}


async def test_a_secret_that_is_missing_is_asked_for_each_time_and_found_once_it_is_there(
    secrets: Secrets, server: Server
) -> None:
    found = server.objects.pop(KEY)
    assert await secrets.get(KEY) is None
    server.objects[KEY] = found
    assert await secrets.get(KEY) == found


async def test_a_secret_that_a_pod_starts_with_is_read_anew(secrets: Secrets, server: Server) -> None:
    await secrets.get(KEY)
    server.objects[KEY] = {"data": {"token": "Mg=="}}
    secrets.forget({KEY})
    assert await secrets.get(KEY) == {"data": {"token": "Mg=="}}


async def test_a_secret_that_no_pod_refers_to_is_forgotten(secrets: Secrets, server: Server) -> None:
    await secrets.get(KEY)
    secrets.keep(())
    await secrets.get(KEY)
    assert server.asked == 2


def test_references_come_from_volumes_projections_and_environment() -> None:
    pod = {
        "spec": {
            "volumes": [
                {"secret": {"secretName": "volume"}},
                {"projected": {"sources": [{"secret": {"name": "part"}}, {"configMap": {"name": "settings"}}]}},
            ],
            "initContainers": [{"envFrom": [{"secretRef": {"name": "all"}}]}],
            "containers": [{"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}}]}],
        }
    }
    assert references(pod).secrets == {"volume", "part", "all", "one"}
    assert references(pod).config_maps == {"settings"}
