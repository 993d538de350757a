"""The two sides of `PUT /v1/adapters`: what the controller sends is what the runtime's own routes take and refuse."""

import asyncio
import base64

import pytest
from aiohttp import web

from kaito.contracts import adapter_set_digest
from kaito.controllers.workspace.admin_port import AdminPort, Server
from kaito.controllers.workspace.known import Refusal
from kaito.controllers.workspace.wanted import wanted_set
from kaito.core import Key
from kaito.runtime.adapters.follower import Follower, Places
from kaito.runtime.front.adapter_routes import AdapterRoutes

SPEC = """
metadata: {name: phi, namespace: team}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {apps: phi-3}}}
inference:
  preset: {name: phi-3-mini-4k-instruct}
  adapters:
  - {source: {name: poems, image: "reg.example.org/poems:1", imagePullSecrets: [login]}, strength: "0.5"}
  - {source: {name: prose, urls: ["https://example.org/prose.tar.gz"]}, strength: "1.0"}
  - {source: {name: songs, urls: ["https://huggingface.co/o/songs/tree/v1"]}}
  - {source: {name: tales, volumeSource: {hostPath: {path: /tales}}}, strength: ".25"}
"""


class Desk(Follower):
    """The runtime's own book of what is wanted, without anybody who loads it."""

    statuses = ()


class Secrets:
    async def get(self, _kind, _key):
        return {"data": {"token": base64.b64encode(b"s3cret").decode()}}


@pytest.fixture
async def talk(tmp_path):
    """A function that sends a set to a runtime, and the runtime's book."""
    told = {"want": lambda _: None, "in_force": lambda _: None}
    desk = Desk(Places(store=tmp_path), taken={"phi-3"}, clock=asyncio.get_running_loop().time, **told)
    application = web.Application()
    AdapterRoutes(desk).add_to(application, guarded=lambda handler: handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with AdminPort(Secrets(), port=runner.addresses[0][1]) as admin:
        server = Server(Key("team", "phi"), "pod-1", "127.0.0.1")
        yield (lambda adapter_set: admin.put_set(server, adapter_set)), desk
    await runner.cleanup()


async def test_every_source_of_a_workspace_is_taken_and_has_the_digest_that_is_waited_for(a, talk):
    send, desk = talk
    wanted = wanted_set(a.workspace(SPEC))
    assert await send(wanted) == "taken"
    assert adapter_set_digest(desk.adapter_set) == adapter_set_digest(wanted)
    assert await send({**wanted, "generation": 0}) == "older"


async def test_a_set_that_the_runtime_cannot_read_is_a_refusal_that_names_the_adapter(a, talk):
    send, _ = talk
    wanted = wanted_set(a.workspace(SPEC))
    wanted["adapters"][1]["urls"] = []
    answer = await send(wanted)
    assert isinstance(answer, Refusal)
    assert (answer.generation, answer.adapter) == (1, "prose")
    assert "urls" in answer.message
