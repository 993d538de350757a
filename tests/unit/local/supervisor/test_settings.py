"""What a supervisor is started with."""

import random
import socket
from pathlib import Path

import msgspec
import pytest

from kaito.core.errors import KaitoError
from kaito.local import ports
from kaito.local.ports import LOWEST, is_free, outgoing
from kaito.local.supervisor.settings import SupervisorSettings, check_port, with_ports
from kaito.local.supervisor.specs import api_server, cluster, controller, provisioner


def test_a_port_in_use_is_named_with_the_flag_that_helps() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(KaitoError, match=str(port)) as caught:
            check_port(port)
    assert caught.value.reason == "PortInUse"
    assert "--port" in caught.value.remedy


def test_ports_differ_and_survive_a_round_trip() -> None:
    settings = with_ports(SupervisorSettings(directory="/d"))
    ports = {settings.port, settings.cluster_port, settings.controller_port, settings.provisioner_port}
    assert len(ports | {settings.webhook_port}) == 5
    assert msgspec.json.decode(msgspec.json.encode(settings), type=SupervisorSettings) == settings


def test_on_our_own_api_server_everything_runs() -> None:
    settings = SupervisorSettings(directory="/d", weights="hub", cluster_port=1, controller_port=2, provisioner_port=3)
    assert "--service-cidr" in api_server(settings).argv
    assert "--proxy-only" not in cluster(settings).argv
    argv = controller(settings).argv
    assert argv[argv.index("--weights") + 1] == "hub"
    assert argv[argv.index("--kubeconfig") + 1] == "/d/kubeconfig"
    argv = provisioner(settings).argv
    assert argv[argv.index("--cloud-dir") + 1] == "/d/cloud"


def test_on_a_real_api_server_the_built_in_controllers_stay_out() -> None:
    settings = SupervisorSettings(directory="/d", kubeconfig="/real")
    assert "--proxy-only" in cluster(settings).argv
    assert settings.client_kubeconfig == Path("/real")


def test_no_process_is_given_a_port_that_an_outgoing_connection_could_take_before_it_listens() -> None:
    settings = with_ports(SupervisorSettings(directory="/d", port=outgoing().start))
    given = {settings.cluster_port, settings.controller_port, settings.provisioner_port, settings.webhook_port}
    assert len(given) == 4
    assert not given & set(outgoing())


def test_a_port_found_for_one_process_is_not_the_one_that_another_has_next_to_the_api_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = LOWEST + 100
    monkeypatch.setattr(ports, "is_free", lambda port: port != first + 1)
    monkeypatch.setattr(random.SystemRandom, "randrange", lambda *_: first + 2 - LOWEST)
    settings = with_ports(SupervisorSettings(directory="/d", port=first))
    given = {settings.cluster_port, settings.controller_port, settings.provisioner_port, settings.webhook_port}
    assert len(given) == 4
    assert {first + 2, first + 3, first + 4} < given
