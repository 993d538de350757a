"""A certificate and its key into a TLS context. It takes files only: one in memory, so that no key reaches a disk."""

import os
import ssl


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Let new connections of `context` use a pair (PEM). Raises ssl.SSLError where it is none, and changes nothing."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(key.rstrip(b"\n") + b"\n" + certificate)
        path = f"/proc/self/fd/{descriptor}"
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)  # a failure leaves a context without its key
        context.load_cert_chain(path)
    finally:
        os.close(descriptor)
