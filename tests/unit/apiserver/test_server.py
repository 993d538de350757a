"""Starting and stopping: what is made, what is refused, and what a restart finds."""

import asyncio
import stat

import pytest
import yaml

from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.apiserver.main import main, options_of, parser
from kaito.core import Client, KaitoError, Key
from kaito.core.kinds import NAMESPACE

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


async def refusal(**options) -> KaitoError:
    with pytest.raises(KaitoError) as refused:
        async with EmbeddedServer.start(options=ServerOptions(**options)):
            pass
    return refused.value


async def test_a_client_of_core_connects_by_the_servers_settings(server):
    client = await Client.connect(server.connection_settings, field_manager="tester")
    assert (await client.get(NAMESPACE, Key("", "default")))["status"]["phase"] == "Active"
    await client.close()


async def test_a_restart_keeps_objects_versions_addresses_token_and_certificates(start, tmp_path):
    options = {"data_dir": tmp_path, "token_file": tmp_path / "token"}
    first, api = await start(**options)
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    made = (await api("POST", "/api/v1/namespaces/default/services", service)).body
    await start.stop()
    second, api = await start(**options)
    assert (await api("GET", "/api/v1/namespaces/default/services/web")).body == made
    taken = {"metadata": {"name": "other"}, "spec": {"ports": [{"port": 80}], "clusterIP": made["spec"]["clusterIP"]}}
    assert (await api("POST", "/api/v1/namespaces/default/services", taken)).code == 422
    assert second.token == first.token
    assert second.certificates == first.certificates


async def test_secrets_on_the_disk_are_for_their_owner_alone(start, tmp_path):
    running, _ = await start(data_dir=tmp_path, token_file=tmp_path / "token")
    config = running.write_kubeconfig(tmp_path / "kubeconfig")
    for path in (tmp_path / "token", config, running.certificates.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    cluster = yaml.safe_load(config.read_text())["clusters"][0]["cluster"]
    assert cluster == {"server": running.url, "certificate-authority": str(running.certificates.authority)}


async def test_a_port_in_use_is_one_clear_line(server):
    refused = await refusal(port=server.port)
    assert refused.reason == "PortInUse"
    assert f"Port {server.port} of 127.0.0.1 is in use" in refused.message
    assert "--port" in refused.remedy


async def test_one_data_directory_serves_one_server(start, tmp_path):
    await start(data_dir=tmp_path)
    assert (await refusal(data_dir=tmp_path)).reason == "DataDirectoryInUse"


async def test_what_cannot_be_used_is_named(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.db").write_bytes(b"something else" * 500)
    assert (await refusal(data_dir=tmp_path / "state")).reason == "StaleDataDirectory"
    (tmp_path / "file").write_text("")
    assert (await refusal(data_dir=tmp_path / "file")).reason == "StaleDataDirectory"
    assert (await refusal(token_file=tmp_path)).reason == "UnreadableToken"
    assert (await refusal(token_file=tmp_path / "file")).reason == "UnreadableToken"
    certificates = {"tls_cert_file": tmp_path / "file", "tls_private_key_file": tmp_path / "file"}
    assert (await refusal(**certificates)).reason == "UnreadableCertificate"


async def test_writes_of_many_clients_lose_nothing(api):
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"n": "0"}})

    async def add_one() -> None:
        while True:
            live = (await api("GET", f"{CONFIG_MAPS}/a")).body
            live["data"]["n"] = str(int(live["data"]["n"]) + 1)
            if (await api("PUT", f"{CONFIG_MAPS}/a", live)).code == 200:
                return

    await asyncio.gather(*(add_one() for _ in range(10)))
    assert (await api("GET", f"{CONFIG_MAPS}/a")).body["data"]["n"] == "10"


def test_the_command_line_is_that_of_the_other_processes(tmp_path):
    arguments = ["--data-dir", str(tmp_path), "--bind", "127.0.0.2", "--port", "7444", "--service-cidr", "10.0.0.0/24"]
    options = options_of(parser().parse_args(arguments))
    assert (options.bind, options.port, options.service_cidr) == ("127.0.0.2", 7444, "10.0.0.0/24")
    assert options.token_file == tmp_path / "token"
    assert parser().format_help().index("kaito-apiserver --data-dir") < parser().format_help().index("options:")


def test_the_command_ends_with_one_line_when_it_cannot_start(tmp_path, capfd):
    (tmp_path / "state.db").write_bytes(b"something else" * 500)
    assert main(["--data-dir", str(tmp_path), "--port", "0"]) == 1
    line = capfd.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("kaito-apiserver: The state in ")
    assert "Choose another --data-dir" in line
