import os
import shutil
import subprocess
import sys

import pytest

from kaito.local.loopback import RTM_DELADDR, RTM_NEWADDR, address_request

SCRIPT = """
import errno
from kaito.local.loopback import add_address, remove_address

add_address("10.96.0.1/32")
add_address("10.96.0.2/32")
add_address("10.96.0.2/32")
remove_address("10.96.0.1/32")
remove_address("10.96.0.2/32")
try:
    remove_address("10.96.0.2/32")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux for a network of its own")
def test_addresses_of_services_come_again_harmlessly_and_go_once():
    own_network = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    done = subprocess.run(
        [*own_network, sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == "EADDRNOTAVAIL", done.stderr


@pytest.mark.parametrize(("message", "flags"), [(RTM_NEWADDR, 0x505), (RTM_DELADDR, 0x005)])
def test_requests_say_what_is_to_be_done(message: int, flags: int):
    request = address_request(message, "10.9.8.1/24", 1)
    assert int.from_bytes(request[:4], sys.byteorder) == len(request) == 40
    assert int.from_bytes(request[4:6], sys.byteorder) == message
    assert int.from_bytes(request[6:8], sys.byteorder) == flags


def test_the_request_is_what_ip_address_add_sends() -> None:
    request = address_request(RTM_NEWADDR, "10.244.1.1/24", 1)
    assert request[16:24] == bytes([2, 24, 0, 0, 1, 0, 0, 0])
    assert request[24:32] == bytes([8, 0, 2, 0, 10, 244, 1, 1])
