import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kaito.runtime.engine.certificate import check_certificate
from kaito.runtime.failure import FatalError


def pair(folder: Path, name: str, password: bytes | None = None) -> tuple[str, str]:
    """Return the files of a certificate and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(who, who, key.public_key(), 1, now, now + datetime.timedelta(days=1)).sign(
        key, hashes.SHA256()
    )
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    (folder / f"{name}.crt").write_bytes(made.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, hidden))
    return str(folder / f"{name}.crt"), str(folder / f"{name}.key")


def test_a_certificate_that_fits_its_key_is_taken_and_so_is_none(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "a")
    check_certificate(certificate, key, certificate)
    check_certificate(None, None, None)


def test_a_certificate_that_cannot_be_used_is_named_before_anything_is_loaded(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "a")
    _, other = pair(tmp_path, "b")
    _, locked = pair(tmp_path, "c", b"secret")
    missing = str(tmp_path / "missing")
    for files in [
        (missing, key, None),
        (certificate, other, None),
        (certificate, locked, None),
        (None, key, None),
        (certificate, key, missing),
    ]:
        with pytest.raises(FatalError, match=f"--ssl-certfile={files[0] or ''}") as caught:
            check_certificate(*files)
        assert (caught.value.reason, caught.value.exit_status) == ("InvalidFlag", 2)
