"""What a user reads when the proxy may not listen."""

import errno

import pytest

from kaito.local.proxy.refusal import refusal_message
from kaito.local.proxy.table import Address

SERVICE = {"metadata": {"name": "web", "namespace": "default"}}


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.EACCES, "port 80 needs root"),
        (errno.EADDRNOTAVAIL, "127.96.0.9 is not an address of this machine"),
        (errno.EADDRINUSE, "another program listens on 127.96.0.9:80"),
        (errno.EPERM, "by root only"),
    ],
)
def test_the_warning_names_the_cause_and_the_pods_own_address(number: int, cause: str) -> None:
    endpoints = (Address("127.244.1.2", 5000),)
    message = refusal_message(Address("127.96.0.9", 80), OSError(number, "x"), SERVICE, endpoints)
    assert cause in message
    assert "curl http://127.244.1.2:5000/" in message
