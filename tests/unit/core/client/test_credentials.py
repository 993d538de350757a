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
from kaito.core.client.credentials import Credentials
from kaito.testing import VirtualClock


def pair(name, issuer=None):
    """A key and certificate in PEM; signed by `issuer`, else by itself."""
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
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
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


async def test_unreadable_credentials_name_the_server_and_a_remedy(tmp_path):
    settings = ConnectionSettings("https://host", ca_file=tmp_path / "absent")
    with pytest.raises(KaitoError) as caught:
        await Credentials(settings, VirtualClock()).headers()
    assert caught.value.reason == "CredentialsUnreadable"
    assert "https://host" in caught.value.message


async def test_new_files_are_taken_up_and_broken_ones_are_not(tmp_path):
    clock = VirtualClock()
    ca = tmp_path / "ca"
    ca.write_bytes(pair("one")[1])
    credentials = Credentials(ConnectionSettings("https://host", ca_file=ca), clock)
    await credentials.headers()
    first = credentials.tls()
    ca.write_bytes(b"half a certificate")
    await clock.advance(11)
    await credentials.headers()
    assert credentials.tls() is first
    ca.write_bytes(pair("two")[1])
    await clock.advance(11)
    await credentials.headers()
    assert credentials.tls() is not first


async def test_basic_and_impersonation_become_headers():
    settings = ConnectionSettings("http://host", username="u", password="p", impersonate="them")
    headers = await Credentials(settings, VirtualClock()).headers()
    assert headers == {"Authorization": "Basic dTpw", "Impersonate-User": "them"}


async def test_a_plugin_is_asked_on_first_use_and_again_after_a_refusal(tmp_path, monkeypatch):
    asked = []

    async def load_kube_config(path, context, *, client_configuration):
        asked.append((path, context))
        client_configuration.api_key["BearerToken"] = f"Bearer {len(asked)}"

    package = types.ModuleType("kubernetes_asyncio")
    package.__spec__ = types.SimpleNamespace()
    package.client = types.SimpleNamespace(Configuration=lambda: types.SimpleNamespace(api_key={}))
    package.config = types.SimpleNamespace(load_kube_config=load_kube_config, ConfigException=RuntimeError)
    monkeypatch.setitem(sys.modules, "kubernetes_asyncio", package)
    path = tmp_path / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": "http://host"}}],
                "users": [{"name": "u", "user": {"exec": {"command": "x"}}}],
            }
        )
    )
    credentials = Credentials(load_connection(str(path)), VirtualClock())
    assert not asked
    for _ in range(2):
        assert await credentials.headers() == {"Authorization": "Bearer 1"}
    assert await credentials.renew()
    assert await credentials.headers() == {"Authorization": "Bearer 2"}
    assert asked == [(str(path), "c")] * 2
    await asyncio.sleep(0)
