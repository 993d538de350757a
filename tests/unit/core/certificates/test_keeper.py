"""The keeper against the embedded API server, on virtual time: replicas agree, callers trust before it is served."""

import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.core import Client, Key, NotFoundError
from kaito.core.certificates import CertificateKeeper, Policy, Trusting, read_secret
from kaito.core.kinds import MUTATING_WEBHOOK_CONFIGURATION, SECRET, VALIDATING_WEBHOOK_CONFIGURATION
from kaito.testing import VirtualClock

SECRET_KEY = Key("default", "hook-certificate")
NAMES = ("hook.default.svc",)
POLICY = Policy()
TRUSTING = (Trusting(VALIDATING_WEBHOOK_CONFIGURATION, "hook"), Trusting(MUTATING_WEBHOOK_CONFIGURATION, "hook"))


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with EmbeddedServer.start(options=ServerOptions()) as server:
        connected = await Client.connect(server.connection_settings, field_manager="tester")
        for kind in (VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION):
            await connected.create(
                {
                    "apiVersion": kind.api_version,
                    "kind": kind.kind,
                    "metadata": {"name": "hook"},
                    "webhooks": [
                        {
                            "name": f"{name}.hook.example.org",
                            "clientConfig": {"url": "https://127.0.0.1:1/"},
                            "admissionReviewVersions": ["v1"],
                            "sideEffects": "None",
                        }
                        for name in ("one", "two")
                    ],
                }
            )
        yield connected
        await connected.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def keeper(client: Client, clock: VirtualClock, names: tuple[str, ...] = NAMES) -> CertificateKeeper:
    return CertificateKeeper(client, clock, SECRET_KEY, names, TRUSTING, policy=POLICY, registry=CollectorRegistry())


async def bundles(client: Client) -> set[str]:
    found = set()
    for kind in (VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION):
        configuration = await client.get(kind, Key("", "hook"))
        found |= {webhook["clientConfig"].get("caBundle", "") for webhook in configuration["webhooks"]}
    return found


async def secret(client: Client) -> dict:
    return await client.get(SECRET, SECRET_KEY)


async def test_the_first_look_makes_a_certificate_that_every_webhook_trusts(client, clock):
    one = keeper(client, clock)
    assert one.unready()
    await one.look()
    assert one.unready() == ""
    stored = await secret(client)
    assert stored["type"] == "kubernetes.io/tls"
    assert await bundles(client) == {stored["data"]["ca.crt"]}
    assert one.seconds_left() == pytest.approx(POLICY.lifetime.total_seconds())


async def test_replicas_that_start_at_once_serve_the_same_certificate(client, clock):
    replicas = [keeper(client, clock) for _ in range(3)]
    for replica in replicas:
        await replica.look()
    assert len({replica._served for replica in replicas}) == 1


async def test_a_look_at_what_is_well_writes_nothing(client, clock):
    one = keeper(client, clock)
    await one.look()
    before = (await secret(client))["metadata"]["resourceVersion"]
    await one.look()
    assert (await secret(client))["metadata"]["resourceVersion"] == before


async def test_a_rotation_is_trusted_before_it_is_served_and_the_old_authority_after(client, clock):
    fast, slow = keeper(client, clock), keeper(client, clock)
    await fast.look()
    await slow.look()
    old = fast._served
    await clock.advance((POLICY.lifetime * 0.7).total_seconds())
    await fast.look()
    assert fast._served is old, "the new one is only staged"
    staged = await read_secret((await secret(client))["data"])
    assert staged.upcoming is not None
    (bundle,) = await bundles(client)
    trusted = base64.b64decode(bundle)
    assert old.authority.pem in trusted
    assert staged.upcoming.authority.pem in trusted
    await clock.advance(POLICY.overlap.total_seconds())
    await fast.look()
    assert fast._served == staged.upcoming
    assert slow._served == old, "it did not look yet, and is trusted still"
    assert old.authority.pem in base64.b64decode((await bundles(client)).pop())
    await slow.look()
    assert slow._served == fast._served


async def test_a_deleted_secret_comes_back_as_it_was(client, clock):
    one = keeper(client, clock)
    await one.look()
    before = (await secret(client))["data"]
    await client.delete(SECRET, SECRET_KEY)
    await one.look()
    assert (await secret(client))["data"] == before


@pytest.mark.parametrize("broken", [{"tls.crt": "bm9uZQ=="}, {"ca.crt": ""}])
async def test_a_broken_secret_is_repaired(client, clock, broken):
    one = keeper(client, clock)
    await one.look()
    before = await secret(client)
    await client.update({**before, "data": {**before["data"], **broken}})
    await one.look()
    assert (await secret(client))["data"] == before["data"]


async def test_a_foreign_authority_in_a_configuration_is_replaced(client, clock):
    one = keeper(client, clock)
    await one.look()
    good = await bundles(client)
    configuration = await client.get(VALIDATING_WEBHOOK_CONFIGURATION, Key("", "hook"))
    configuration["webhooks"][1]["clientConfig"]["caBundle"] = base64.b64encode(b"mine").decode()
    await client.update(configuration)
    await one.look()
    assert await bundles(client) == good


async def test_names_of_two_installations_add_up_instead_of_fighting(client, clock):
    one, other = keeper(client, clock), keeper(client, clock, ("127.0.0.1",))
    await one.look()
    await other.look()
    version = (await secret(client))["metadata"]["resourceVersion"]
    for replica in (one, other, one):
        await replica.look()
    assert (await secret(client))["metadata"]["resourceVersion"] == version
    assert one._served.names == {"127.0.0.1", *NAMES}


async def test_configurations_that_are_not_there_are_not_missed(client, clock):
    for kind in (VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION):
        await client.delete(kind, Key("", "hook"))
    one = keeper(client, clock)
    await one.look()
    assert one.unready() == ""
    with pytest.raises(NotFoundError):
        await client.get(VALIDATING_WEBHOOK_CONFIGURATION, Key("", "hook"))


async def test_an_expired_certificate_is_replaced_at_once(client, clock):
    one = keeper(client, clock)
    await one.look()
    old = one._served
    await clock.advance((POLICY.lifetime + timedelta(days=1)).total_seconds())
    assert one.seconds_left() < 0
    await one.look()
    assert one._served != old
    assert one.seconds_left() > 0


NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: the time of these tests is not that of its clock."""


def handshake(server: ssl.SSLContext, bundle: bytes) -> None:
    """Let a caller that trusts `bundle` greet a server; raises ssl.SSLError where it does not trust it."""
    trust = ssl.create_default_context(cadata=bundle.decode())
    trust.verify_flags |= NO_CHECK_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        trust.wrap_bio(to_client, to_server, server_hostname=NAMES[0]),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in tuple(ends):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
                ends.remove(end)


async def test_no_handshake_fails_while_the_certificate_is_rotated(client, clock):
    """Callers that know the authorities of half a minute ago, of replicas that look at different times."""
    fast, slow = keeper(client, clock), keeper(client, clock)
    await fast.look()
    await slow.look()
    first = fast._served
    await clock.advance((POLICY.lifetime * POLICY.renew_at).total_seconds() - 60)
    (known,) = await bundles(client)
    for turn in range(20):
        await fast.look()
        if turn % 3 == 0:
            await slow.look()
        for replica in (fast, slow):
            handshake(replica.context, base64.b64decode(known))
        (known,) = await bundles(client)
        await clock.advance(POLICY.check.total_seconds())
    assert fast._served == slow._served != first
    with pytest.raises(ssl.SSLError):
        handshake(fast.context, first.authority.pem)
