"""What the Secret holds is read back as it was written, and nothing broken is ever used."""

import base64
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kaito.core import KaitoError
from kaito.core.certificates import Material, issue, read_secret, secret_data, signer, signing
from kaito.core.certificates.generation import Generation, generation_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("hook.example.svc", "127.0.0.1")
LIFE = timedelta(days=90)


def made(now: datetime = NOW) -> Generation:
    return generation_of(signing.issue([*NAMES], now, LIFE))


def material() -> Material:
    first = made()
    return Material(first, (first.authority,))


async def test_what_is_written_is_read_back() -> None:
    staged = material().staged(await issue(NAMES, NOW, LIFE), NOW + timedelta(minutes=5), NOW)
    for each in (material(), staged, staged.promoted(NOW)):
        assert await read_secret(secret_data(each)) == each


def test_a_certificate_says_its_names_and_its_life() -> None:
    found = made()
    assert found.names == set(NAMES)
    assert found.not_before < NOW < found.not_after == NOW + LIFE


def test_the_key_is_not_in_what_logs_would_print() -> None:
    assert b"PRIVATE KEY" not in repr(material()).encode()


def test_the_old_authority_stays_until_it_expires() -> None:
    first = material()
    rotated = first.staged(made(), NOW, NOW).promoted(NOW)
    assert len(rotated.authorities) == 2
    later = NOW + LIFE - timedelta(days=1)
    again = rotated.staged(made(later), later, later).promoted(NOW + LIFE + timedelta(hours=1))
    assert first.current.authority not in again.authorities


def test_an_openssl_client_trusts_the_bundle() -> None:
    context = ssl.create_default_context(cadata=material().bundle.decode())
    assert context.cert_store_stats()["x509_ca"] == 1


OTHER = secret_data(material())


@pytest.mark.parametrize(
    "change",
    [
        {"tls.crt": None},
        {"ca.crt": None},
        {"tls.key": "bm90IGEga2V5"},
        {"tls.crt": "not base64!"},
        {"tls.key": OTHER["tls.key"]},
        {"ca.crt": OTHER["ca.crt"]},
        {"next.crt": OTHER["tls.crt"], "next.key": OTHER["tls.key"], "next.after": base64.b64encode(b"soon").decode()},
        {"next.crt": OTHER["tls.crt"]},
    ],
)
async def test_broken_parts_are_refused(change: dict[str, str | None]) -> None:
    data = {name: value for name, value in {**secret_data(material()), **change}.items() if value is not None}
    with pytest.raises(ValueError, match=r"\w"):
        await read_secret(data)


async def test_a_signing_process_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no library')")
    monkeypatch.setattr(signer, "_PROGRAM", str(broken))
    with pytest.raises(KaitoError, match="no library") as caught:
        await issue(NAMES, NOW, LIFE)
    assert caught.value.reason == "SigningFailed"


def test_the_library_is_not_in_a_process_that_serves() -> None:
    ask = "import kaito.controllers.main, sys; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
