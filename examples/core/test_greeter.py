"""The operator, tried without a cluster: `pytest test_greeter.py`."""

from pathlib import Path

import yaml
from greeter import greeter

from kaito.core import Key, Object
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import InProcessServer, virtual_time

CRD: Object = yaml.safe_load(Path(__file__).with_name("greetings.yaml").read_text())
ANNA: Object = {
    "apiVersion": "example.com/v1",
    "kind": "Greeting",
    "metadata": {"name": "anna", "namespace": "default"},
    "spec": {"name": "Anna", "language": "fr"},
}


@virtual_time
async def test_a_greeting_gets_its_note() -> None:
    async with InProcessServer.start() as server, server.manager("greeter") as manager:
        await server.client.create(CRD)
        manager.add(greeter(manager))
        await manager.start()
        await server.client.create(ANNA)
        note = await server.eventually(CONFIG_MAP, Key("default", "anna"))
        assert note["data"] == {"text": "Bonjour, Anna!"}
