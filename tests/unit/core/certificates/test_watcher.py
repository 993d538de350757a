"""Certificates in files: whatever way a new pair comes, the next handshake has it."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from kaito.core import KaitoError
from kaito.core.certificates import CertificateWatcher, WatcherMetrics, signing
from kaito.testing import VirtualClock


class Pairs:
    """Makes pairs, and ways to put them into a folder."""

    def __init__(self, folder):
        self.folder, self.made = folder, 0

    def write(self, folder):
        folder.mkdir(exist_ok=True)
        pair = signing.issue(["localhost"], datetime.now(UTC), timedelta(days=1))
        (folder / "tls.crt").write_text(pair["certificate"])
        (folder / "tls.key").write_text(pair["key"])
        return ssl.create_default_context(cadata=pair["authority"]["pem"])

    def rewrite(self):
        return self.write(self.folder)

    def rename(self):
        new = self.folder.with_name("new")
        trust = self.write(new)
        for name in ("tls.crt", "tls.key"):
            (new / name).rename(self.folder / name)
        return trust

    def swap_link(self):
        """As the kubelet does it: the names are links through `..data`, which is replaced at once."""
        self.made += 1
        real = self.folder / f"..{self.made}"
        trust = self.write(real)
        (self.folder / "..next").symlink_to(real.name)
        (self.folder / "..next").replace(self.folder / "..data")
        for name in ("tls.crt", "tls.key"):
            (self.folder / name).unlink(missing_ok=True)
            (self.folder / name).symlink_to(f"..data/{name}")
        return trust


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def pairs(tmp_path):
    made = Pairs(tmp_path / "served")
    made.first = made.write(made.folder)
    return made


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
async def served(pairs, clock, registry):
    """A TLS server that answers one byte for each; yields how to connect to it."""

    async def echo(reader, writer):
        while byte := await reader.read(1):
            writer.write(byte)
        writer.close()

    watcher = CertificateWatcher(pairs.folder, clock, WatcherMetrics(registry))
    watching = asyncio.create_task(watcher.run())
    await clock.settle()
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=watcher.context)
    opened = []

    async def connect(trust):
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost")
        opened.append(writer)

        async def echoes():
            writer.write(b"x")
            return await reader.read(1) == b"x"

        return echoes

    yield connect
    for writer in opened:
        writer.close()
        await writer.wait_closed()
    watching.cancel()
    await asyncio.wait([watching])
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("way", ["rewrite", "rename", "swap_link"])
async def test_a_new_pair_is_served_within_ten_seconds_and_open_connections_stay(served, pairs, clock, way):
    before = await served(pairs.first)
    for _ in range(2):
        trust = getattr(pairs, way)()
        await clock.advance(10)
        assert await (await served(trust))()
        with pytest.raises(ssl.SSLError):
            await served(pairs.first)
        assert await before()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "tls.key").unlink(),
        lambda folder: (folder / "tls.crt").write_text("no certificate"),
        lambda folder: (folder / "tls.key").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "tls.crt").write_text(
            signing.issue(["localhost"], datetime.now(UTC), timedelta(days=1))["certificate"]
        ),
    ],
    ids=["gone", "no certificate", "no text", "the key of another"],
)
async def test_a_pair_that_is_none_is_counted_and_the_one_before_is_kept(served, pairs, clock, registry, spoil):
    spoil(pairs.folder)
    await clock.advance(10)
    assert await (await served(pairs.first))()
    assert registry.get_sample_value("certwatcher_read_certificate_errors_total") == 2
    assert registry.get_sample_value("certwatcher_read_certificate_total") == 3
    trust = pairs.rewrite()
    await clock.advance(10)
    assert await (await served(trust))()


async def test_without_a_first_pair_there_is_nothing_to_serve(tmp_path, clock):
    with pytest.raises(KaitoError, match="CertificateUnreadable"):
        await CertificateWatcher(tmp_path, clock).run()


async def test_a_key_never_comes_into_an_error_or_a_log(served, pairs, clock, capfd):
    key = (pairs.folder / "tls.key").read_text()
    (pairs.folder / "tls.crt").write_text(key)
    await clock.advance(5)
    assert key.splitlines()[1] not in "".join(capfd.readouterr())
