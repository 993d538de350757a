"""One cluster for the whole run: the embedded one, made by `kaito up`, or any that `--kubeconfig` names.

Everything here is a black box: the `kaito` and `kubectl` commands, HTTP, and the `openai` client.
"""

import ipaddress
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster

from kaito.local.ports import free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the whole run did is looked at last."""
    items.sort(key=lambda item: item.path.name == "test_rights.py")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if shutil.which("kubectl") is None:
        pytest.fail("the end-to-end tests drive the real kubectl (1.32 or close), and there is none on PATH")
    directory = tmp_path_factory.mktemp("cluster")
    given = request.config.getoption("--kubeconfig")
    port = free_port()
    arguments = ["--dir", str(directory), "--weights", "stand-in"]
    # Addresses of this run alone: a demo, or another run, may be up on the same machine.
    if given:
        # Of the block for benchmarks (RFC 2544): on a node of a cluster the usual ones are taken. Room for 31 nodes.
        pods = f"198.19.{port % 8 * 32}.0/19"
        arguments += ["--kubeconfig", str(given), "--pod-cidr", pods]
    else:
        pods, services = f"127.{100 + port % 70}.0.0/16", f"127.{170 + port % 70}.0.0/16"
        arguments += ["--port", str(port), "--pod-cidr", pods, "--service-cidr", services]
    kubeconfig = Path(given) if given else directory / "kubeconfig"
    # Short enough to be replaced in the middle of a run (test_admission.py), long enough for a busy machine.
    os.environ["KAITO_WEBHOOK_CERTIFICATE_LIFETIME"] = "2m"
    cluster = Cluster(directory, kubeconfig, ipaddress.IPv4Network(pods), tuple(arguments))
    # What ends this run (a time limit of CI) must not leave the cluster behind: end it as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
    cluster.up()
    yield cluster
    cluster.kaito("down")
    left = cluster.processes()
    assert not left, f"processes left after `kaito down`: {left}"
