"""Memory of TLS connections."""

import gc
from asyncio import sslproto

from kaito.apiserver import EmbeddedServer
from kaito.core import Client, Key
from kaito.core.kinds import NAMESPACE
from kaito.core.tls import READ_BUFFER_BYTES


async def test_a_connection_holds_a_small_buffer_at_both_ends() -> None:
    """Told by asyncio's own objects: were the attribute of no effect in another Python, this would say so."""
    async with EmbeddedServer.start() as server:
        client = await Client.connect(server.connection_settings, field_manager="test")
        await client.get(NAMESPACE, Key("", "default"))
        held = [len(each._ssl_buffer) for each in gc.get_objects() if isinstance(each, sslproto.SSLProtocol)]
        await client.close()
    assert len(held) >= 2
    assert set(held) == {READ_BUFFER_BYTES}
