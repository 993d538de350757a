"""One generation: an authority and the one certificate that it signed."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SKEW: Final = timedelta(minutes=5)
"""How far the clocks of a cluster may be apart: a certificate is valid from that much before it was made.

At most a tenth of its life: `Policy.renewal` counts from there.
"""

_PEM: Final = serialization.Encoding.PEM


@dataclass(frozen=True)
class Generation:
    """PEM of an authority, of a server's certificate that it signed, and of that one's key; and what they say."""

    authority: bytes
    certificate: bytes
    key: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    names: frozenset[str]

    @classmethod
    def read(cls, authorities: Sequence[bytes], certificate: bytes, key: bytes) -> "Generation":
        """Return the generation of a certificate. Raises ValueError where the parts are broken or do not belong."""
        leaf = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, None)
        if private.public_key() != leaf.public_key():
            raise ValueError("the key is not that of the certificate")
        return cls(
            authority=_signer(leaf, authorities),
            certificate=certificate,
            key=key,
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            names=_names_of(leaf),
        )


def issue(names: Iterable[str], now: datetime, lifetime: timedelta) -> Generation:
    """Return a new generation for these DNS names and IP addresses; the authority's key is not kept."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    wanted = sorted(set(names))
    serial = x509.random_serial_number()
    issuer = _name(f"webhook authority {serial:x}"[:64])

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - min(SKEW, lifetime / 10))
            .not_valid_after(now + lifetime)
        )

    authority = (
        builder(issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        builder(_name(wanted[0][:64]), key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in wanted]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    authority_pem = authority.public_bytes(_PEM)
    return Generation.read([authority_pem], leaf.public_bytes(_PEM), secret)


def split_bundle(bundle: bytes) -> list[bytes]:
    """Return each certificate of a PEM bundle. Raises ValueError where it is none."""
    return [found.public_bytes(_PEM) for found in x509.load_pem_x509_certificates(bundle)]


def unexpired(authorities: Iterable[bytes], now: datetime) -> tuple[bytes, ...]:
    """Return the authorities that are still good, each once, in their order."""
    kept = dict.fromkeys(authorities)
    return tuple(pem for pem in kept if x509.load_pem_x509_certificate(pem).not_valid_after_utc > now)


def _signer(leaf: x509.Certificate, authorities: Sequence[bytes]) -> bytes:
    for pem in authorities:
        authority = x509.load_pem_x509_certificate(pem)
        if authority.subject != leaf.issuer:
            continue
        leaf.verify_directly_issued_by(authority)
        return pem
    raise ValueError("the certificate was signed by none of the authorities")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(leaf: x509.Certificate) -> frozenset[str]:
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return frozenset([*found.get_values_for_type(x509.DNSName), *addresses])
