"""What the server does of its own accord."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kaito.apiserver.lifecycle import SYSTEM_NAMESPACES
from kaito.core import SystemClock

NAMESPACES, CONFIG_MAPS = "/api/v1/namespaces", "/api/v1/namespaces/team/configmaps"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WORKSPACES = "/apis/example.org/v1/namespaces/default/workspaces"


@pytest.fixture
def gone(eventually):
    async def wait(api, path: str) -> bool:
        async def is_missing() -> bool:
            return (await api("GET", path)).code == 404

        return await eventually(is_missing)

    return wait


async def test_a_new_server_has_its_namespaces_and_a_service_that_leads_to_it(api, server):
    listed = {item["metadata"]["name"]: item for item in (await api("GET", NAMESPACES)).body["items"]}
    assert set(listed) == set(SYSTEM_NAMESPACES)
    assert listed["default"]["metadata"]["labels"] == {"kubernetes.io/metadata.name": "default"}
    assert (listed["default"]["spec"], listed["default"]["status"]) == (
        {"finalizers": ["kubernetes"]},
        {"phase": "Active"},
    )
    service = (await api("GET", "/api/v1/namespaces/default/services/kubernetes")).body
    assert service["spec"]["clusterIP"] == "127.96.0.1"
    slices = (await api("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")).body
    assert slices["ports"][0]["port"] == server.port


async def test_a_deleted_namespace_is_emptied_before_it_goes(api, gone):
    await api("POST", NAMESPACES, {"metadata": {"name": "team"}})
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "held", "finalizers": ["example.org/x"]}})
    going = (await api("DELETE", f"{NAMESPACES}/team")).body
    assert going["status"]["phase"] == "Terminating"
    assert await gone(api, f"{CONFIG_MAPS}/a")
    refused = await api("POST", CONFIG_MAPS, {"metadata": {"name": "late"}})
    assert (refused.code, refused.reason) == (403, "Forbidden")
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert (await api("GET", f"{NAMESPACES}/team")).code == 200
    await api.merge(f"{CONFIG_MAPS}/held", {"metadata": {"finalizers": None}})
    assert await gone(api, f"{NAMESPACES}/team")


async def test_a_deleted_definition_takes_its_objects_with_it(api, definition, gone, eventually):
    assert (await api("POST", CRDS, definition)).code == 201
    body = {"apiVersion": "example.org/v1", "kind": "Workspace", "resource": {"labelSelector": {}}}
    await api("POST", WORKSPACES, {**body, "metadata": {"name": "a", "finalizers": ["x.org/y"]}})
    await api("DELETE", f"{CRDS}/workspaces.example.org")

    async def is_going() -> bool:
        return "deletionTimestamp" in (await api("GET", f"{WORKSPACES}/a")).body["metadata"]

    await eventually(is_going)
    await api.merge(f"{WORKSPACES}/a", {"metadata": {"finalizers": None}})
    assert await gone(api, f"{CRDS}/workspaces.example.org")
    assert await gone(api, WORKSPACES)


async def test_a_deletion_goes_on_after_a_restart(start, tmp_path, gone):
    _, api = await start(data_dir=tmp_path)
    await api("POST", NAMESPACES, {"metadata": {"name": "team"}})
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "held", "finalizers": ["example.org/x"]}})
    await api("DELETE", f"{NAMESPACES}/team")
    await start.stop()
    _, api = await start(data_dir=tmp_path)
    await api.merge(f"{CONFIG_MAPS}/held", {"metadata": {"finalizers": None}})
    assert await gone(api, f"{NAMESPACES}/team")


class LaterClock(SystemClock):
    """The system's clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.slept = asyncio.Event()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def sleep(self, seconds: float) -> None:
        await self.slept.wait() if seconds >= 60 else await super().sleep(seconds)
        self.slept.clear()


async def test_events_are_forgotten_an_hour_after_they_were_last_seen(start, gone):
    clock = LaterClock()
    _, api = await start(clock=clock)
    path = "/api/v1/namespaces/default/events"
    reference = {"namespace": "default", "name": "x", "kind": "Pod"}
    await api("POST", path, {"metadata": {"name": "old"}, "involvedObject": reference})
    clock.ahead = timedelta(minutes=30)
    seen = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    await api("POST", path, {"metadata": {"name": "new"}, "involvedObject": reference, "lastTimestamp": seen})
    clock.ahead = timedelta(minutes=70)
    clock.slept.set()
    assert await gone(api, f"{path}/old")
    assert (await api("GET", f"{path}/new")).code == 200
