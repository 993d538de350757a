"""A node in this process, joined to an embedded API server in this process; its containers are real processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.core import Client, Key, Kind, Manager, Object
from kaito.core.kinds import NODE, POD
from kaito.local.node import Node, Options, join

TIMEOUT = 30.0


@dataclass
class Cluster:
    """An API server, a client, and a node that can be started and stopped."""

    server: EmbeddedServer
    client: Client
    options: Options
    node: Node | None = None
    manager: Manager | None = None
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> Node:
        connecting = Manager.connect("kaito-node", settings=self.server.connection_settings)
        self.manager = await self._stack.enter_async_context(connecting)
        self.node = await join(self.manager, self.options)
        await self.manager.start()
        await self.until(
            NODE, Key("", self.options.name), lambda node: bool((node.get("status") or {}).get("conditions"))
        )
        return self.node

    async def stop(self, *, containers: bool = False) -> None:
        if self.manager is None or self.node is None:
            return
        await self.manager.stop()
        if containers:
            await self.node.stop_containers(1.0)
        await self.node.close()
        await self._stack.aclose()
        self._stack = contextlib.AsyncExitStack()
        self.node = self.manager = None

    async def run(self, spec: dict[str, Any], name: str = "pod", **metadata: Any) -> Object:
        spec = {"nodeName": self.options.name, "terminationGracePeriodSeconds": 5, **spec}
        spec["containers"] = [{"image": "busybox", **container} for container in spec["containers"]]
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", **metadata},
            "spec": spec,
        }
        return await self.client.create(body)

    async def until(self, kind: Kind[Any], key: Key, holds: Callable[[Object], bool]) -> Object:
        """Watch an object until something holds; its last state is in the failure's message."""
        last: Object = {}
        try:
            async with asyncio.timeout(TIMEOUT):
                async for last in self._states(kind, key):
                    if last and holds(last):
                        return last
        except TimeoutError:
            pytest.fail(f"{kind} {key} did not come to it; last: {last.get('status')}")
        raise AssertionError("the watch ended")

    async def pod(self, holds: Callable[[Object], bool], name: str = "pod") -> Object:
        return await self.until(POD, Key("default", name), holds)

    async def gone(self, kind: Kind[Any], key: Key) -> None:
        async with asyncio.timeout(TIMEOUT):
            async for state in self._states(kind, key):
                if not state:
                    return

    async def _states(self, kind: Kind[Any], key: Key) -> AsyncIterator[Object]:
        """Yield the object now and after each change; an empty one when it does not exist."""
        fields, namespace = f"metadata.name={key.name}", key.namespace or None
        listed = await self.client.list(kind, namespace, fields=fields)
        yield listed.items[0] if listed.items else {}
        async for event in self.client.watch(kind, namespace, fields=fields, resource_version=listed.resource_version):
            yield {} if event.type == "DELETED" else event.object


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    token = tmp_path / "kubelet-token"
    token.write_text("test-token")
    async with EmbeddedServer.start(options=ServerOptions(kubelet_token_file=token)) as server:
        client = await Client.connect(server.connection_settings, field_manager="test")
        options = Options(
            name="node-1",
            root=tmp_path / "node-1",
            provider_id="local:///node-1",
            pod_cidr="127.244.93.0/24",
            labels={"kaito.sh/machine-type": "gpu"},
            taints=({"key": "sku", "value": "gpu", "effect": "NoSchedule"},),
            capacity={"nvidia.com/gpu": "2"},
            kubelet_token_file=token,
        )
        made = Cluster(server, client, options)
        try:
            yield made
        finally:
            await made.stop(containers=True)
            await client.close()


@pytest.fixture
async def node(cluster: Cluster) -> Cluster:
    await cluster.start()
    return cluster
