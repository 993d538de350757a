"""Kinds that come and go while the garbage collector runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kaito.core import Key, Kind, Manager, Object, owner_reference
from kaito.core.kinds import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION
from kaito.local.controllers import garbage_collector
from kaito.local.controllers.garbage.resources import collectable_kinds
from kaito.testing import Disturbance, InProcessServer, Trouble, virtual_time

WIDGET = Kind("example.com/v1", "Widget", dict, "widgets", True)
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
        "scope": "Namespaced",
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


@asynccontextmanager
async def collecting(server: InProcessServer) -> AsyncIterator[Manager]:
    async with server.manager("collector") as manager:
        manager.add(await garbage_collector(manager))
        await manager.start()
        yield manager


async def made(server: InProcessServer, name: str, owner: Object | None = None, kind: str = "v1/ConfigMap") -> Object:
    api_version, _, kind = kind.rpartition("/")
    metadata = {"name": name, "namespace": "default", "ownerReferences": [owner_reference(owner)] if owner else []}
    return await server.client.create({"apiVersion": api_version, "kind": kind, "metadata": metadata})


async def is_collected(server: InProcessServer) -> None:
    """Delete an owner; what it owned goes."""
    owner = await made(server, "owner")
    await made(server, "owned", owner)
    await server.client.delete(CONFIG_MAP, Key("default", "owner"))
    await server.vanishes(CONFIG_MAP, Key("default", "owned"))


@virtual_time
async def test_a_kind_that_goes_before_it_could_be_listed_holds_up_nothing() -> None:
    async with InProcessServer.start() as server, collecting(server) as manager:
        server.disturb(*(Disturbance(Trouble.BROKEN, f"{verb} widgets", times=1000) for verb in ("list", "watch")))
        await server.client.create(DEFINITION)
        await server.eventually(CUSTOM_RESOURCE_DEFINITION, Key("", "widgets.example.com"), lambda _: server.struck)
        assert any("Widget" in kind for kind in manager.cache.pending)
        await server.client.delete(CUSTOM_RESOURCE_DEFINITION, Key("", "widgets.example.com"))
        await is_collected(server)
        assert manager.cache.pending == []


@virtual_time
async def test_a_kind_that_comes_back_is_followed_again() -> None:
    async with InProcessServer.start() as server, collecting(server) as manager:
        for life in ("first", "second"):
            await server.client.create(DEFINITION)
            widget = await made(server, life, kind="example.com/v1/Widget")
            await made(server, f"{life}-owned", widget)
            await server.client.delete(WIDGET, Key("default", life))
            await server.vanishes(CONFIG_MAP, Key("default", f"{life}-owned"))
            await server.client.delete(CUSTOM_RESOURCE_DEFINITION, Key("", "widgets.example.com"))
            await server.vanishes(CUSTOM_RESOURCE_DEFINITION, Key("", "widgets.example.com"))
            await manager.clock.sleep(5)


@virtual_time
async def test_nothing_waits_for_a_kind_that_is_listed_late_when_it_is_told_to_stop() -> None:
    async with InProcessServer.start() as server, collecting(server) as manager:
        server.disturb(*(Disturbance(Trouble.BROKEN, f"{verb} widgets", times=1000) for verb in ("list", "watch")))
        await server.client.create(DEFINITION)
        owner = await made(server, "owner")
        await made(server, "owned", owner)
        await manager.clock.sleep(5)
        began = manager.clock.monotonic()
        await manager.stop()
        assert manager.clock.monotonic() - began < 1


@pytest.mark.parametrize("trouble", [Trouble.BROKEN, Trouble.TOO_MANY_SILENT])
@virtual_time
async def test_a_group_that_cannot_say_what_it_serves_may_serve_it_still(trouble: Trouble) -> None:
    async with InProcessServer.start() as server:
        await server.client.create(DEFINITION)
        server.disturb(Disturbance(trouble, "discover /apis/example.com/v1", times=1000))
        found = await collectable_kinds(server.client)
        assert "example.com" in found.unknown_groups
        assert any(kind.kind == "ConfigMap" for kind in found.kinds)
