import os
import shutil
import subprocess
import sys

import pytest

from kaito.local.node.pod_range import is_local

SCRIPT = """
import socket, sys
from kaito.local.node.pod_range import give_back, make_local

def answers():
    with socket.socket() as probe:
        try:
            probe.bind(("10.9.8.7", 0))
        except OSError:
            return False
        return True

seen = [answers()]
make_local("10.9.8.0/24")
make_local("10.9.8.0/24")
seen.append(answers())
give_back("10.9.8.0/24")
seen.append(answers())
give_back("10.9.8.0/24")
print(seen)
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux for a network of its own")
def test_every_address_of_a_range_is_local_until_the_range_is_given_back():
    own_network = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    setup = f'ip link set lo up; exec {sys.executable} -c "$SCRIPT"'
    environment = {**os.environ, "SCRIPT": SCRIPT}
    done = subprocess.run(
        [*own_network, "sh", "-c", setup], capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert done.stdout.strip() == "[False, True, False]", done.stderr


@pytest.mark.parametrize(
    ("cidr", "expected"), [("127.244.1.0/24", True), ("10.244.0.0/24", False), ("126.0.0.0/7", False)]
)
def test_a_loopback_range_is_local_anyway(cidr: str, expected: bool) -> None:
    assert is_local(cidr) is expected
