"""Makes and reads certificates, in a process of its own: the library for it costs 10 MB that are never given back.

Run as `python -P signing.py` with a JSON question on standard input and the answer on standard output, so that no key
touches argv or a disk. Of this package it imports nothing, which would take longer than its work. Moments are Unix
seconds, certificates and keys PEM text.

    {"issue": {"names": […], "now": …, "lifetime": …}}             → {"generation": {…}}
    {"read": {"bundle": "…", "pairs": [[certificate, key], …]}}    → {"authorities": […], "generations": [{…}, …]}

What cannot be read is answered with {"error": "…"}.
"""

import ipaddress
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SKEW: Final = timedelta(minutes=5)
"""How far the clocks of a cluster may be apart: a certificate is valid from that much before it was made.

At most a tenth of its life: `Policy.renewal` counts from there.
"""

Answer = dict[str, Any]
_PEM: Final = serialization.Encoding.PEM


def issue(names: list[str], now: datetime, lifetime: timedelta) -> Answer:
    """Return a new generation for these DNS names and IP addresses; the authority's key is not kept."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    wanted = sorted(set(names))
    issuer = _name(f"webhook authority {x509.random_serial_number():x}"[:64])

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
    return _generation([authority], leaf.public_bytes(_PEM), secret)


def read(bundle: bytes, pairs: list[tuple[bytes, bytes]]) -> Answer:
    """Return each authority, and the generation of each pair. ValueError where a part is broken or does not belong."""
    try:
        authorities = x509.load_pem_x509_certificates(bundle)
        generations = [_generation(authorities, certificate, key) for certificate, key in pairs]
    except (TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return {"authorities": [_authority(one) for one in authorities], "generations": generations}


def _generation(authorities: list[x509.Certificate], certificate: bytes, key: bytes) -> Answer:
    leaf = x509.load_pem_x509_certificate(certificate)
    if serialization.load_pem_private_key(key, None).public_key() != leaf.public_key():
        raise ValueError("the key is not that of the certificate")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return {
        "authority": _authority(_signer(leaf, authorities)),
        "certificate": certificate.decode(),
        "key": key.decode(),
        "not_before": leaf.not_valid_before_utc.timestamp(),
        "not_after": leaf.not_valid_after_utc.timestamp(),
        "names": [*names.get_values_for_type(x509.DNSName), *addresses],
    }


def _signer(leaf: x509.Certificate, authorities: list[x509.Certificate]) -> x509.Certificate:
    for authority in authorities:
        if authority.subject == leaf.issuer:
            leaf.verify_directly_issued_by(authority)
            return authority
    raise ValueError("the certificate was signed by none of the authorities")


def _authority(authority: x509.Certificate) -> Answer:
    return {"pem": authority.public_bytes(_PEM).decode(), "not_after": authority.not_valid_after_utc.timestamp()}


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def answer(question: Answer) -> Answer:
    """Return the answer to one question."""
    if (wanted := question.get("issue")) is not None:
        now = datetime.fromtimestamp(wanted["now"], UTC)
        return {"generation": issue(wanted["names"], now, timedelta(seconds=wanted["lifetime"]))}
    given = question["read"]
    try:
        return read(given["bundle"].encode(), [(one.encode(), other.encode()) for one, other in given["pairs"]])
    except ValueError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
