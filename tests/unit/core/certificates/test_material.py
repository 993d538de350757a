"""What the Secret holds is read back as it was written, and nothing broken is ever used."""

import base64
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from kaito.core.certificates import Material, issue, read_secret, secret_data

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("hook.example.svc", "127.0.0.1")
LIFE = timedelta(days=90)


def material() -> Material:
    first = issue(NAMES, NOW, LIFE)
    return Material(first, (first.authority,))


def test_what_is_written_is_read_back() -> None:
    staged = material().staged(issue(NAMES, NOW, LIFE), NOW + timedelta(minutes=5), NOW)
    for each in (material(), staged, staged.promoted(NOW)):
        assert read_secret(secret_data(each)) == each


def test_a_certificate_says_its_names_and_its_life() -> None:
    found = issue(NAMES, NOW, LIFE)
    assert found.names == set(NAMES)
    assert found.not_before < NOW < found.not_after == NOW + LIFE


def test_the_key_is_not_in_what_logs_would_print() -> None:
    assert b"PRIVATE KEY" not in repr(material()).encode()


def test_the_old_authority_stays_until_it_expires() -> None:
    first = material()
    rotated = first.staged(issue(NAMES, NOW, LIFE), NOW, NOW).promoted(NOW)
    assert len(rotated.authorities) == 2
    later = NOW + LIFE - timedelta(days=1)
    again = rotated.staged(issue(NAMES, later, LIFE), later, later).promoted(NOW + LIFE + timedelta(hours=1))
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
def test_broken_parts_are_refused(change: dict[str, str | None]) -> None:
    data = {name: value for name, value in {**secret_data(material()), **change}.items() if value is not None}
    with pytest.raises(ValueError, match=r"\w"):
        read_secret(data)
