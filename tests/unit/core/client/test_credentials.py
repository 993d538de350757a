"""TLS and identity, with certificates made here."""

import asyncio
import datetime
import ssl
import sys
import types

import pytest
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kaito.core import Client, ConnectionLostError, ConnectionSettings, KaitoError, load_connection
from kaito.core.client.credentials import CHECK_SECONDS, Credentials
from kaito.testing import VirtualClock


def pair(name, issuer=None, hours=1):
    """A key and certificate in PEM, valid until in `hours`; signed by `issuer`, else by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signer_key, signer = issuer or (key, subject)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=9))
        .not_valid_after(now + datetime.timedelta(hours=hours))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signer_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (key, subject), certificate.public_bytes(serialization.Encoding.PEM), private


def write_pair(name, certificate_file, key_file):
    _, certificate, key = pair(name)
    certificate_file.write_bytes(certificate)
    key_file.write_bytes(key)


@pytest.fixture
async def server(tmp_path):
    """A TLS server that wants a client certificate and answers with the client's name."""
    issuer, ca, _ = pair("ca")
    _, certificate, key = pair("localhost", issuer)
    (tmp_path / "server.pem").write_bytes(certificate + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=ca.decode())
    context.load_cert_chain(tmp_path / "server.pem")
    context.verify_mode = ssl.CERT_OPTIONAL

    async def answer(request):
        peer = request.transport.get_extra_info("peercert") or {}
        return web.json_response({"peer": peer.get("subject")})

    application = web.Application()
    application.router.add_get("/who", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}", ca, pair("me", issuer)[1:]
    await runner.cleanup()


async def ask(settings):
    client = await Client.connect(settings, field_manager="test")
    try:
        return await client.request("GET", "/who")
    finally:
        await client.close()


async def test_the_server_is_verified_and_we_show_our_certificate(server, tmp_path):
    url, ca, (certificate, key) = server
    held = ConnectionSettings(
        url, ca_data=ca, tls_server_name="localhost", client_certificate_data=certificate, client_key_data=key
    )
    assert "me" in str(await ask(held))
    for name, data in (("ca", ca), ("crt", certificate), ("key", key)):
        (tmp_path / name).write_bytes(data)
    on_disk = ConnectionSettings(
        url,
        ca_file=tmp_path / "ca",
        tls_server_name="localhost",
        client_certificate_file=tmp_path / "crt",
        client_key_file=tmp_path / "key",
    )
    assert "me" in str(await ask(on_disk))


async def test_a_server_of_another_authority_is_refused_unless_told_otherwise(server):
    url, _, _ = server
    _, other, _ = pair("other")
    with pytest.raises(ConnectionLostError, match="certificate verify failed"):
        await ask(ConnectionSettings(url, ca_data=other, tls_server_name="localhost"))
    assert await ask(ConnectionSettings(url, insecure=True)) == {"peer": None}


async def test_a_server_whose_certificate_has_expired_is_a_lost_connection_that_says_so(tmp_path):
    issuer, ca, _ = pair("ca")
    _, certificate, key = pair("localhost", issuer, hours=-1)
    (tmp_path / "server.pem").write_bytes(certificate + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with listener:
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        with pytest.raises(ConnectionLostError, match="certificate has expired"):
            await ask(ConnectionSettings(url, ca_data=ca, tls_server_name="localhost"))


async def test_unreadable_credentials_name_the_server_and_a_remedy(tmp_path):
    settings = ConnectionSettings("https://host", ca_file=tmp_path / "absent")
    with pytest.raises(KaitoError) as caught:
        await Credentials(settings, VirtualClock()).show()
    assert caught.value.reason == "CredentialsUnreadable"
    assert "https://host" in caught.value.message


async def test_new_files_are_taken_up_and_broken_ones_are_not(tmp_path):
    clock = VirtualClock()
    ca = tmp_path / "ca"
    ca.write_bytes(pair("one")[1])
    credentials = Credentials(ConnectionSettings("https://host", ca_file=ca), clock)
    first = (await credentials.show()).tls
    ca.write_bytes(b"half a certificate")
    await clock.advance(11)
    assert (await credentials.show()).tls is first
    ca.write_bytes(pair("two")[1])
    await clock.advance(11)
    assert (await credentials.show()).tls is not first


async def test_basic_and_impersonation_become_headers():
    settings = ConnectionSettings("http://host", username="u", password="p", impersonate="them")
    shown = await Credentials(settings, VirtualClock()).show()
    assert shown.headers == {"Authorization": "Basic dTpw", "Impersonate-User": "them"}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A kubeconfig with a plugin; what it answers, and how often it was asked."""
    asked = types.SimpleNamespace(times=0, header="Bearer {}", pair=None)

    async def load_kube_config(path, context, *, client_configuration):
        assert (path, context) == (str(tmp_path / "config"), "c")
        asked.times += 1
        client_configuration.api_key["BearerToken"] = asked.header.format(asked.times)
        if asked.pair is not None:
            client_configuration.cert_file, client_configuration.key_file = map(str, asked.pair)

    package = types.ModuleType("kubernetes_asyncio")
    package.__spec__ = types.SimpleNamespace()
    package.client = types.SimpleNamespace(
        Configuration=lambda: types.SimpleNamespace(api_key={}, cert_file=None, key_file=None)
    )
    package.config = types.SimpleNamespace(load_kube_config=load_kube_config, ConfigException=RuntimeError)
    monkeypatch.setitem(sys.modules, "kubernetes_asyncio", package)
    path = tmp_path / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": "https://host"}}],
                "users": [{"name": "u", "user": {"exec": {"command": "x"}}}],
            }
        )
    )
    asked.settings = load_connection(str(path))
    return asked


async def test_a_plugin_is_asked_on_first_use_and_again_after_a_refusal(plugin):
    clock = VirtualClock()
    credentials = Credentials(plugin.settings, clock)
    assert plugin.times == 0
    shown = await credentials.show()
    assert shown.headers == {"Authorization": "Bearer 1"}
    await clock.advance(CHECK_SECONDS)
    assert await credentials.show() is shown
    assert await credentials.renew(shown)
    assert (await credentials.show()).headers == {"Authorization": "Bearer 2"}
    assert plugin.times == 2


async def test_requests_refused_together_ask_a_plugin_once(plugin):
    clock = VirtualClock()
    credentials = Credentials(plugin.settings, clock)
    shown = await asyncio.gather(*(credentials.show() for _ in range(10)))
    assert plugin.times == 1
    await clock.advance(CHECK_SECONDS)
    assert await asyncio.gather(*(credentials.renew(one) for one in shown)) == [True] * 10
    assert plugin.times == 2


async def test_a_plugin_whose_word_is_refused_again_and_again_is_not_run_each_time(plugin):
    clock = VirtualClock()
    credentials = Credentials(plugin.settings, clock)
    for _ in range(120):
        await credentials.renew(await credentials.show())
        await clock.advance(0.5)
    assert plugin.times <= 60 / CHECK_SECONDS + 1


async def test_a_certificate_of_a_plugin_is_shown_and_replaced(plugin, tmp_path):
    plugin.header = ""
    plugin.pair = tmp_path / "crt", tmp_path / "key"
    clock = VirtualClock()
    credentials = Credentials(plugin.settings, clock)
    write_pair("one", *plugin.pair)
    shown = await credentials.show()
    assert shown.headers == {}
    write_pair("two", *plugin.pair)
    await clock.advance(CHECK_SECONDS)
    assert await credentials.renew(shown)
    assert (await credentials.show()).tls is not shown.tls


async def test_connections_stay_open_when_only_the_token_is_new(tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    credentials = Credentials(ConnectionSettings("https://host", token_file=token), VirtualClock())
    old = await credentials.show()
    assert not await credentials.renew(old)
    token.write_text("new")
    assert await credentials.renew(old)
    new = await credentials.show()
    assert new.headers == {"Authorization": "Bearer new"}
    assert new.tls is old.tls


async def test_a_client_certificate_that_was_replaced_is_shown_at_once_after_a_refusal(tmp_path):
    files = tmp_path / "crt", tmp_path / "key"
    write_pair("one", *files)
    settings = ConnectionSettings("https://host", client_certificate_file=files[0], client_key_file=files[1])
    credentials = Credentials(settings, VirtualClock())
    old = await credentials.show()
    assert not await credentials.renew(old)
    write_pair("two", *files)
    assert await credentials.renew(old)
    assert (await credentials.show()).tls is not old.tls
