"""Certificates and the token that the server makes for itself when none are given."""

import datetime
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from kaito.core.clock import Clock
from kaito.core.errors import KaitoError

_LIFETIME = datetime.timedelta(days=3650)
_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Certificates:
    """Paths of the authority that clients trust, and of the server's own certificate and key."""

    authority: Path
    certificate: Path
    key: Path


def ensure_certificates(directory: Path, hosts: tuple[str, ...], clock: Clock) -> Certificates:
    """Return the certificates in `directory`; make an authority and one certificate for `hosts` if missing."""
    found = Certificates(directory / "ca.crt", directory / "tls.crt", directory / "tls.key")
    if not all(path.exists() for path in (found.authority, found.certificate, found.key)):
        directory.mkdir(parents=True, exist_ok=True)
        _make(found, hosts, clock)
    return found


def _make(paths: Certificates, hosts: tuple[str, ...], clock: Clock) -> None:
    # Imported here: it is needed once in the life of a data directory, and costs memory for ever.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = clock.now()
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("kaito-apiserver-ca"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _LIFETIME)
        )

    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        builder("kaito-apiserver-ca", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    server = (
        builder("kaito-apiserver", server_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    paths.authority.write_bytes(authority.public_bytes(pem))
    paths.certificate.write_bytes(server.public_bytes(pem))
    secret = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(paths.key, secret)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)


def ensure_token(path: Path) -> str:
    """Return the token in a file; a missing file is made. Raises KaitoError when it cannot be read."""
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        write_private(path, token.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    if not token:
        raise _unreadable(path, "it is empty")
    return token


def _unreadable(path: Path, why: str) -> KaitoError:
    return KaitoError(
        "UnreadableToken",
        f"The token file {path} cannot be used: {why}.",
        terminal=True,
        remedy="Give this user read access, or delete the file: a new token is made then.",
    )
