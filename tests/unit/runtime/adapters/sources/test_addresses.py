"""Which addresses a user's URL may reach, whatever it is written like and wherever it leads."""

import datetime
import socket
import ssl
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rude_server import RudeServer, cut, status
from yarl import URL

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources import Place, Urls, fetch
from kaito.runtime.adapters.sources.addresses import CheckedResolver, check_address
from kaito.runtime.adapters.sources.limits import Patience
from kaito.runtime.adapters.sources.web import Web, check_url, followed, proxy_of

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "::1",
    "fd12:3456::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "2001:0:a00:1::",
]
NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "fd00:ec2::254",
    "168.63.129.16",
    "100.100.100.200",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
]


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER])
def test_what_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(AdapterError, match="is no public address") as caught:
        check_address("host", address, private=False)
    assert (caught.value.reason, caught.value.passes) == ("SourceNotAllowed", False)
    assert "--kaito-adapter-private-sources" in caught.value.message


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_what_is_public_is_asked(address: str) -> None:
    check_address("host", address, private=False)


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "::1", "fd12:3456::1", "::ffff:10.0.0.1"])
def test_private_networks_may_be_allowed(address: str) -> None:
    check_address("host", address, private=True)


@pytest.mark.parametrize("address", [address for address in NEVER if address != "255.255.255.255"])
def test_the_machines_own_identity_is_never_asked_for(address: str) -> None:
    with pytest.raises(AdapterError):
        check_address("host", address, private=True)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.org/a.tar",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://user:secret@example.org/a.tar",
        "https://user@example.org/a.tar",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://127.0.0.1:8080/",
        "http://127.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://\uff11\uff12\uff17.1/",
        "/etc/passwd",
    ],
)
def test_what_the_text_of_a_url_tells_is_refused_before_anything_is_asked(text: str) -> None:
    with pytest.raises(AdapterError) as caught:
        check_url(URL(text), private=False)
    assert caught.value.reason == "SourceNotAllowed"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("host", ["8.8.8.8", "registry.example", "4.example", "1e100.net", "2130706433.example"])
def test_the_text_of_a_public_host_tells_nothing_against_it(host: str) -> None:
    check_url(URL(f"https://{host}/"), private=False)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "0"])
async def test_odd_forms_of_an_address_are_judged_by_what_they_stand_for(host: str) -> None:
    async with Web.open(Patience(), private=False) as web:
        with pytest.raises(AdapterError) as caught:
            async with web.request(URL(f"http://{host}:9/"), {}):
                pass
    assert caught.value.reason == "SourceNotAllowed"


class _Names(AbstractResolver):
    """Answers anew each time, as a name that is rebound does."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in self._answers.pop(0)
        ]

    async def close(self) -> None:
        """Hold nothing."""


async def test_one_bad_address_of_a_name_is_enough() -> None:
    with pytest.raises(AdapterError, match=r"example\.org \(10\.0\.0\.1\)"):
        await CheckedResolver(private=False, resolver=_Names(["8.8.8.8", "10.0.0.1"])).resolve("example.org", 80)


async def test_a_name_is_resolved_once_and_that_address_is_asked(server: RudeServer) -> None:
    names = _Names(["127.0.0.1"])  # a second look-up would fail
    server.files["/file"] = b"here"
    async with Web.open(Patience(), private=True) as web:
        web.direct.connector._resolver = CheckedResolver(private=True, resolver=names)
        port = URL(server.url).port
        async with web.request(URL(f"http://rebound.example:{port}/file"), {}) as response:
            assert await response.read() == b"here"


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("http://[::ffff:169.254.169.254]/", "is not asked"),
        ("file:///etc/passwd", "only http"),
        ("//user:secret@127.0.0.1/x", "user name"),
        ("http://0xA9FEA9FE/", "169.254.169.254"),
    ],
)
async def test_each_redirect_is_judged_anew(server: RudeServer, place: Place, location: str, said: str) -> None:
    server.troubles["/a.tar"] = [status(302, Location=location)]
    with pytest.raises(AdapterError, match=said) as caught:
        await fetch(Urls((f"{server.url}/a.tar",)), place)
    assert (caught.value.reason, caught.value.passes) == ("SourceNotAllowed", False)
    assert "secret" not in caught.value.message


def test_no_redirect_leads_from_https_to_http() -> None:
    with pytest.raises(AdapterError, match="from https to http"):
        followed(URL("https://example.org/a"), "http://example.org/a", private=False)
    assert followed(URL("http://example.org/a?x=%2F"), "https://b.org/c%2Fd", private=False) == URL(
        "https://b.org/c%2Fd", encoded=True
    )
    assert followed(URL("https://example.org/a/b"), "../c", private=False) == URL("https://example.org/c")


async def test_redirects_have_an_end(server: RudeServer, place: Place) -> None:
    server.troubles["/a.tar"] = [status(307, Location="/a.tar")] * 9
    with pytest.raises(AdapterError, match="more than 5 redirects"):
        await fetch(Urls((f"{server.url}/a.tar",)), place)
    assert len(server.seen) == 6


async def test_a_signature_is_never_said(server: RudeServer, place: Place) -> None:
    server.troubles["/a.tar"] = [cut(0)] * 3
    with pytest.raises(AdapterError) as caught:
        await fetch(Urls((f"{server.url}/a.tar?sig=c4n4ry",)), place)
    assert "c4n4ry" not in caught.value.message + repr(caught.value) + repr(caught.value.__context__)
    assert not any("c4n4ry" in path.name for path in place.downloads.iterdir())


async def test_a_proxy_may_be_in_a_private_network(
    server: RudeServer, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.files["/a.tar"] = b"no archive"
    careful = Place(place.into, place.downloads, patience=place.patience)
    with pytest.raises(AdapterError, match="no archive that can be read"):
        await fetch(Urls(("http://files.example/a.tar",)), careful)
    assert server.seen[0].headers["Host"] == "files.example"


async def test_a_certificate_that_is_not_trusted_is_said(place: Place, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    async with RudeServer.run(context) as secure:
        with pytest.raises(AdapterError, match="certificate that is not trusted") as caught:
            await fetch(Urls((f"{secure.url}/a.tar",)), place)
    assert (caught.value.reason, caught.value.passes) == ("SourceUnreachable", True)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that nobody has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1)).sign(
        key, hashes.SHA256()
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example,10.0.0.1")
    assert proxy_of(URL("https://ghcr.io/v2/")) == "http://proxy:3128"
    assert proxy_of(URL("http://ghcr.io/v2/")) is None
    assert proxy_of(URL("https://inside.example/x")) is None
    assert proxy_of(URL("https://10.0.0.1/x")) is None
