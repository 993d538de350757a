"""Streams of a node's pods, at its kubelet endpoint, with real containers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import psutil
import pytest

TIMEOUT = 20.0
TOKEN = {"Authorization": "Bearer test-token"}
PROTOCOLS = ["v5.channel.k8s.io"]
SLEEPS = {"name": "main", "command": ["sleep", "1000"]}


def running(status: str = "Running") -> Any:
    return lambda pod: (pod.get("status") or {}).get("phase") == status


@asynccontextmanager
async def streams(node: Any, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = f"https://127.244.93.1:{node.node.registration.port}{path}"
    async with (
        aiohttp.ClientSession(headers=TOKEN) as session,
        session.ws_connect(url, protocols=PROTOCOLS, ssl=False) as socket,
    ):
        yield socket


async def refusal(node: Any, path: str) -> tuple[int, str]:
    headers = {
        **TOKEN, "Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io",
    }  # fmt: skip
    url = f"https://127.244.93.1:{node.node.registration.port}{path}"
    async with aiohttp.ClientSession() as session, session.post(url, headers=headers, ssl=False) as response:
        return response.status, await response.text()


async def told(socket: aiohttp.ClientWebSocketResponse) -> list[bytes]:
    """All messages to the end of a connection."""
    async with asyncio.timeout(TIMEOUT):
        return [message.data async for message in socket]


async def test_a_command_runs_in_the_container(node: Any) -> None:
    environment = [{"name": "SETTING", "value": "of-the-pod"}]
    await node.run({"containers": [{**SLEEPS, "env": environment}]})
    await node.pod(running())
    async with streams(node, "/exec/default/pod/main?command=sh&command=-c&command=echo+$SETTING&output=1") as socket:
        output, status = await told(socket)
    assert output == b"\1of-the-pod\n"
    assert b'"Success"' in status


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("/exec/default/none/main?command=true&output=1", 404, 'pod "none" not found on this node'),
        ("/exec/default/pod/none?command=true&output=1", 400, 'container "none" of pod "pod" has not started yet'),
        ("/exec/default/pod/short?command=true&output=1", 400, 'container "short" of pod "pod" has ended (Completed)'),
        ("/attach/default/pod/short?output=1", 400, 'container "short" of pod "pod" has ended (Completed)'),
    ],
)
async def test_what_does_not_run_is_refused(node: Any, path: str, code: int, text: str) -> None:
    await node.run({"restartPolicy": "Never", "containers": [SLEEPS, {"name": "short", "command": ["true"]}]})

    def ended(pod: Any) -> bool:
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        return any((each.get("state") or {}).get("terminated") for each in statuses)

    await node.pod(ended)
    assert await refusal(node, path) == (code, text)


async def test_a_program_with_stdin_that_ended_unheard_is_replayed_once(node: Any) -> None:
    container = {"name": "main", "command": ["sh", "-c", "echo out; echo err >&2"], "stdin": True, "stdinOnce": True}
    await node.run({"restartPolicy": "Never", "containers": [container]})
    await node.pod(running("Succeeded"))
    async with streams(node, "/attach/default/pod/main?input=1&output=1&error=1") as socket:
        messages = await told(socket)
    assert sorted(messages[:2]) == [b"\1out\n", b"\2err\n"]
    assert b'"Success"' in messages[2]
    assert (await refusal(node, "/attach/default/pod/main?output=1"))[0] == 400


async def test_a_node_that_stops_ends_its_streams_and_leaves_its_containers(node: Any) -> None:
    await node.run({"containers": [{**SLEEPS, "stdin": True}]})
    await node.pod(running())
    containers = node.node.containers.running()
    async with (
        streams(
            node, "/exec/default/pod/main?command=sh&command=-c&command=echo+$$;exec+sleep+1000&output=1"
        ) as command,
        streams(node, "/attach/default/pod/main?input=1&output=1"),
    ):
        pid = int((await command.receive_bytes(timeout=TIMEOUT))[1:])
        process = psutil.Process(pid)
        async with asyncio.timeout(TIMEOUT):
            await node.stop()
    await asyncio.to_thread(psutil.wait_procs, [process], TIMEOUT)
    assert not process.is_running()
    assert [psutil.pid_exists(record.pid) for record in containers] == [True]
    await node.start()
    assert [record.pid for record in node.node.containers.running()] == [record.pid for record in containers]
