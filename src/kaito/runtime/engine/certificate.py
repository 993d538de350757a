"""The certificate of a server that speaks TLS itself, tried before minutes of loading and not after."""

import ssl

from kaito.runtime.failure import FatalError


def check_certificate(certificate: str | None, key: str | None, authorities: str | None) -> None:
    """Read the files as the HTTP server will. Raises InvalidFlag; without certificate and key there is no TLS."""
    if not certificate and not key:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate or "", key, password="")  # with none, OpenSSL would ask a terminal
        if authorities:
            context.load_verify_locations(authorities)
    except (OSError, ValueError) as error:
        named = f"--ssl-certfile={certificate or ''}, --ssl-keyfile={key or ''}, --ssl-ca-certs={authorities or ''}"
        raise FatalError(
            "InvalidFlag",
            f"The server cannot use the certificate it was given ({named}): {error}.",
            remedy="Give --ssl-certfile and --ssl-keyfile files in PEM form that belong together, the key without a "
            "password.",
        ) from error
