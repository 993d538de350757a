"""Requests to handlers, without a server."""

import ssl
from datetime import UTC, datetime, timedelta

import aiohttp
import orjson
import pytest
from prometheus_client import CollectorRegistry

from kaito.core import SystemClock
from kaito.core.admission import AdmissionRequest, WebhookServer
from kaito.core.certificates import signing


@pytest.fixture
def request_of():
    def make(operation="CREATE", obj=None, old=None):
        return AdmissionRequest("u-1", operation, object=obj, old_object=old)

    return make


@pytest.fixture
async def serve_conversion(tmp_path):
    """Start a server of one conversion; returns how to ask it."""
    generation = signing.issue(["127.0.0.1"], datetime.now(UTC), timedelta(days=1))
    (tmp_path / "pair").write_text(generation["key"] + generation["certificate"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair")
    trust = ssl.create_default_context(cadata=generation["authority"]["pem"])
    registry = CollectorRegistry()
    server = WebhookServer("127.0.0.1", 0, context, SystemClock(), registry)
    async with aiohttp.ClientSession() as session:

        async def start(conversion):
            server.register_conversion("/convert", conversion)
            await server.start()

            async def ask(version, objects=(), body=None):
                request = {"uid": "u-1", "desiredAPIVersion": version, "objects": list(objects)}
                async with session.post(
                    f"https://127.0.0.1:{server.port}/convert",
                    data=body or orjson.dumps({"request": request}),
                    headers={"Content-Type": "application/json"},
                    ssl=trust,
                ) as response:
                    return await response.json() if response.status == 200 else response.status

            ask.registry = registry
            return ask

        yield start
        await server.stop()
