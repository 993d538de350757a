"""Troubles on the way to a server, as a plan."""

from kaito.core import Key
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import Disturbance, InProcessServer, Trouble, virtual_time


@virtual_time
async def test_a_lost_answer_is_no_second_write() -> None:
    async with InProcessServer.start() as server:
        server.disturb(
            Disturbance(Trouble.LOST_ANSWER, "patch configmaps"),
            Disturbance(Trouble.EXPIRED, "watch pods", event=2),
            Disturbance(Trouble.TOO_MANY, "list", times=3, seconds=5),
        )
        note = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "note", "namespace": "default"}}
        await server.client.create(note)
        assert await server.client.get(CONFIG_MAP, Key("default", "note"))
        assert server.busiest_minute() <= 2
