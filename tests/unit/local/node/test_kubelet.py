import os
from typing import Any

import aiohttp
import psutil
import pytest


async def get(cluster: Any, path: str, **headers: str) -> tuple[int, str]:
    port = cluster.node.registration.port
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.244.93.1:{port}{path}", headers=headers, ssl=False) as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic test-token"}])
async def test_logs_are_for_the_bearer_of_the_token_alone(node: Any, headers: dict[str, str]) -> None:
    assert (await get(node, "/containerLogs/default/pod/main", **headers))[0] == 401
    assert (await get(node, "/metrics", **headers))[0] == 401
    assert await get(node, "/healthz", **headers) == (200, "ok")


async def test_what_is_not_there_is_said(node: Any) -> None:
    allowed = {"Authorization": "Bearer test-token"}
    assert await get(node, "/containerLogs/default/no/main", **allowed) == (404, 'pod "no" not found on this node')
    status, text = await get(node, "/containerLogs/default/no/main?tailLines=-3", **allowed)
    assert (status, text) == (400, "invalid log options: tailLines must not be negative")
    assert (await get(node, "/metrics", **allowed))[0] == 200


async def test_the_key_is_private_and_the_port_survives_a_restart(cluster: Any) -> None:
    await cluster.start()
    port = cluster.node.registration.port
    assert os.stat(cluster.options.root / "pki" / "kubelet.key").st_mode & 0o077 == 0  # noqa: PTH116 - not async
    await cluster.stop()
    await cluster.start()
    assert cluster.node.registration.port == port


async def test_a_node_that_stops_its_pods_leaves_no_process(node: Any) -> None:
    command = ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]
    await node.run({"containers": [{"name": "main", "command": command}]})
    await node.pod(lambda pod: (pod.get("status") or {}).get("phase") == "Running")
    await node.manager.stop()
    pids = [record.pid for record in node.node.containers.running()]
    await node.node.stop_containers(0.2)
    assert pids
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
