"""Pods on a real node of an embedded cluster: real processes, no sleeps."""

import asyncio
import os
import signal
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from kaito.core import Key, Object
from kaito.core.kinds import CONFIG_MAP, EVENT, LEASE, NODE, POD, SECRET

POD_KEY = Key("default", "pod")
SERVER = ["python3", "-m", "http.server", "--bind=$(KAITO_BIND_HOST)", "5000"]


def container(pod: Object, index: int = 0) -> dict[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return statuses[index] if len(statuses) > index else {"state": {}, "lastState": {}, "restartCount": 0}


def condition(obj: Object, kind: str) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((each["status"] for each in conditions if each["type"] == kind), "")


def phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase", "")


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "main", "command": ["sh", "-c", script], **more}


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def logs(cluster: Any, **query: str) -> str:
    path = "/api/v1/namespaces/default/pods/pod/log"
    settings = cluster.server.connection_settings
    context = ssl.create_default_context(cadata=settings.ca_data.decode())
    headers = {"Authorization": f"Bearer {cluster.server.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(settings.server + path, params=query, ssl=context) as response,
    ):
        text = await response.text()
        assert response.status == 200, text
        return text


async def events(cluster: Any) -> list[tuple[str, str]]:
    await cluster.manager.events.flush()
    listed = await cluster.client.list(EVENT, "default")
    return [(event["reason"], event["message"]) for event in listed.items]


async def test_a_node_registers_with_labels_taints_capacity_and_conditions(node: Any) -> None:
    found = await node.client.get(NODE, Key("", "node-1"))
    assert found["metadata"]["labels"]["kaito.sh/machine-type"] == "gpu"
    assert found["spec"]["providerID"] == "local:///node-1"
    assert found["spec"]["taints"] == [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}]
    assert found["status"]["capacity"]["nvidia.com/gpu"] == "2"
    assert condition(found, "Ready") == "True"
    assert found["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] > 0
    await node.until(LEASE, Key("kube-node-lease", "node-1"), bool)


async def test_a_node_that_is_deleted_by_hand_registers_again_and_one_that_terminates_does_not(node: Any) -> None:
    key = Key("", "node-1")
    first = await node.client.get(NODE, key)
    await node.client.delete(NODE, key)
    again = await node.until(NODE, key, lambda obj: obj["metadata"]["uid"] != first["metadata"]["uid"])
    await node.client.patch(NODE, key, {"metadata": {"finalizers": ["karpenter.sh/termination"]}})
    await node.client.delete(NODE, key)
    await node.until(NODE, key, lambda obj: bool(obj["metadata"].get("deletionTimestamp")))
    await node.client.patch(NODE, key, {"metadata": {"finalizers": None}})
    await node.gone(NODE, key)
    node.node.registration.controller.enqueue(key)
    await node.run({"containers": [shell("exit 0")], "restartPolicy": "Never"})
    await node.pod(lambda pod: phase(pod) == "Succeeded")
    assert not (await node.client.list(NODE)).items, again["metadata"]["uid"]


async def test_a_pod_that_ends_well_has_succeeded_and_its_log_can_be_read(node: Any) -> None:
    await node.run({"restartPolicy": "Never", "containers": [shell("echo one; echo two; echo -n three")]})
    pod = await node.pod(lambda pod: phase(pod) == "Succeeded")
    assert container(pod)["state"]["terminated"]["exitCode"] == 0
    assert container(pod)["state"]["terminated"]["reason"] == "Completed"
    assert pod["status"]["podIP"].startswith("127.244.93.")
    assert await logs(node) == "one\ntwo\nthree\n"
    assert await logs(node, tailLines="1") == "three\n"
    assert (await logs(node, timestamps="true")).split()[0].startswith("20")


async def test_following_a_log_ends_with_the_container(node: Any) -> None:
    fifo = node.options.root.parent / "go"
    os.mkfifo(fifo)
    script = f"echo before; read go < {fifo}; echo after"
    await node.run({"restartPolicy": "Never", "containers": [shell(script)]})
    await node.pod(lambda pod: "running" in container(pod)["state"])
    following = asyncio.create_task(logs(node, follow="true"))
    await asyncio.to_thread(fifo.write_text, "go\n")
    assert await following == "before\nafter\n"


async def test_a_failing_container_is_restarted_with_back_off_and_keeps_its_previous_log(node: Any) -> None:
    await node.run({"containers": [shell("echo dying; exit 4")]})
    pod = await node.pod(lambda pod: container(pod)["restartCount"] == 1 and "waiting" in container(pod)["state"])
    state = container(pod)
    assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert state["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=main pod=pod_default("
    )
    assert state["lastState"]["terminated"]["exitCode"] == 4
    assert await logs(node, previous="true") == "dying\n"
    assert "BackOff" in {reason for reason, _ in await events(node)}


async def test_a_pod_that_must_not_restart_has_failed_with_its_exit_code(node: Any) -> None:
    await node.run({"restartPolicy": "Never", "containers": [shell("kill -9 $$$$")]})
    pod = await node.pod(lambda pod: phase(pod) == "Failed")
    assert container(pod)["state"]["terminated"]["exitCode"] == 137
    assert container(pod)["state"]["terminated"]["signal"] == 9


async def test_init_containers_run_in_order_before_the_others(node: Any) -> None:
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/workspace/data"}]}
    inits = [
        {"name": "first", "image": "busybox", "command": ["sh", "-c", "echo 1 >> /workspace/data/order"], **mount},
        {"name": "second", "image": "busybox", "command": ["sh", "-c", "echo 2 >> /workspace/data/order"], **mount},
    ]
    spec = {
        "restartPolicy": "Never",
        "initContainers": inits,
        "containers": [shell("cat /workspace/data/order", **mount)],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    await node.run(spec)
    pod = await node.pod(lambda pod: phase(pod) == "Succeeded")
    assert await logs(node) == "1\n2\n"
    assert condition(pod, "Initialized") == "True"
    assert [each["ready"] for each in pod["status"]["initContainerStatuses"]] == [True, True]
    assert not os.access("/workspace/data", os.F_OK)


@pytest.mark.parametrize("mounts", ["auto", "rewrite"])
async def test_volumes_are_at_their_mount_paths(cluster: Any, mounts: str) -> None:
    cluster.options = replace(cluster.options, mounts=mounts)
    await cluster.start()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config", "namespace": "default"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret", "namespace": "default"}}
    await cluster.client.create({**config, "data": {"key": "from-config"}})
    await cluster.client.create({**secret, "stringData": {"token": "from-secret"}})
    mount_paths = {"config": "/mnt/kaito-config", "secret": "/mnt/kaito-admin", "shm": "/dev/shm"}
    script = (
        "cat /mnt/kaito-config/key; echo; cat $TOKEN_FILE; echo; echo $FROM; touch /dev/shm/x; stat -Lc %a $TOKEN_FILE"
    )
    spec = {
        "restartPolicy": "Never",
        "containers": [
            shell(
                script,
                env=[
                    {"name": "TOKEN_FILE", "value": "/mnt/kaito-admin/token"},
                    {"name": "FROM", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "key"}}},
                ],
                volumeMounts=[{"name": name, "mountPath": path} for name, path in mount_paths.items()],
            )
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": "config"}},
            {"name": "secret", "secret": {"secretName": "secret"}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
        ],
    }
    await cluster.run(spec)
    await cluster.pod(lambda pod: phase(pod) == "Succeeded")
    assert await logs(cluster) == "from-config\nfrom-secret\nfrom-config\n600\n"
    assert not os.access("/mnt/kaito-config", os.F_OK)


async def test_a_changed_config_map_reaches_a_running_container(node: Any) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config", "namespace": "default"}}
    await node.client.create({**config, "data": {"key": "old"}})
    spec = {
        "containers": [
            shell(
                "until grep -q new /mnt/kaito-config/key; do sleep 0.05; done; exec sleep 1000",
                volumeMounts=[{"name": "config", "mountPath": "/mnt/kaito-config"}],
                readinessProbe={"exec": {"command": ["grep", "new", "/mnt/kaito-config/key"]}, "periodSeconds": 1},
            )
        ],
        "volumes": [{"name": "config", "configMap": {"name": "config"}}],
    }
    await node.run(spec)
    await node.pod(lambda pod: "running" in container(pod)["state"])
    await node.client.patch(CONFIG_MAP, Key("default", "config"), {"data": {"key": "new"}})
    await node.pod(lambda pod: condition(pod, "Ready") == "True")


async def test_a_missing_secret_holds_the_pod_back_until_it_is_there(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaito.local.node.pods.RETRY", 0.5)  # Secrets are not watched: it is looked for again
    spec = {
        "restartPolicy": "Never",
        "containers": [
            shell("echo $T", env=[{"name": "T", "valueFrom": {"secretKeyRef": {"name": "late", "key": "t"}}}])
        ],
    }
    await node.run(spec)
    pod = await node.pod(lambda pod: "waiting" in container(pod)["state"])
    assert container(pod)["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    assert 'secret "late" not found' in container(pod)["state"]["waiting"]["message"]
    late = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late", "namespace": "default"}}
    await node.client.create({**late, "stringData": {"t": "here"}})
    await node.pod(lambda pod: phase(pod) == "Succeeded")
    assert await logs(node) == "here\n"


async def test_an_unknown_image_names_the_known_ones_and_the_flag(node: Any) -> None:
    await node.run({"containers": [{"name": "main", "image": "nginx:1.27"}]})
    pod = await node.pod(lambda pod: "waiting" in container(pod)["state"])
    waiting = container(pod)["state"]["waiting"]
    assert waiting["reason"] == "ErrImagePull"
    assert "kaito-runtime" in waiting["message"]
    assert "--image nginx=PROGRAM" in waiting["message"]


async def test_a_missing_program_is_a_start_error_that_names_it(node: Any) -> None:
    await node.run({"restartPolicy": "Never", "containers": [{"name": "main", "command": ["no-such-program"]}]})
    pod = await node.pod(lambda pod: phase(pod) == "Failed")
    terminated = container(pod)["state"]["terminated"]
    assert (terminated["reason"], terminated["exitCode"]) == ("StartError", 128)
    assert 'exec: "no-such-program": executable file not found in $PATH' in terminated["message"]


async def test_the_mapping_of_an_image_is_said_in_an_event(node: Any) -> None:
    await node.run({"restartPolicy": "Never", "containers": [shell("exit 0")]})
    await node.pod(lambda pod: phase(pod) == "Succeeded")
    said = dict(await events(node))
    assert said["Pulled"].startswith('Image "busybox" is mapped to the program /')
    assert said["Created"] == "Created container: main"
    assert said["Started"] == "Started container main"


async def test_a_server_becomes_ready_through_its_probes_and_is_reached_on_the_pod_address(node: Any) -> None:
    get = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}
    main = {
        "name": "main",
        "command": SERVER,
        "ports": [{"name": "http", "containerPort": 5000}],
        "startupProbe": {**get, "failureThreshold": 30},
        "readinessProbe": get,
    }
    await node.run({"containers": [main]})
    pod = await node.pod(lambda pod: condition(pod, "Ready") == "True")
    assert container(pod)["started"] is True
    reader, writer = await asyncio.open_connection(pod["status"]["podIP"], 5000)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.0 200")
    writer.close()


async def test_a_failed_liveness_probe_restarts_the_container_within_its_grace(node: Any) -> None:
    probe = {
        "exec": {"command": ["false"]},
        "periodSeconds": 1,
        "failureThreshold": 1,
        "terminationGracePeriodSeconds": 1,
    }
    await node.run({"containers": [shell("trap '' TERM; while :; do sleep 0.1; done", livenessProbe=probe)]})
    await node.pod(lambda pod: container(pod)["restartCount"] == 1)
    said = await events(node)
    assert ("Killing", "Container main failed liveness probe, will be restarted") in said
    assert "Unhealthy" in {reason for reason, _ in said}


async def test_a_deleted_pod_gets_its_hook_and_sigterm_and_leaves_nothing(node: Any, tmp_path: Path) -> None:
    script = f"trap 'echo term >> {tmp_path}/order; exit 0' TERM; while :; do sleep 0.05; done"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", f"echo hook >> {tmp_path}/order"]}}}
    await node.run({"containers": [shell(script, lifecycle=hook)]})
    pod = await node.pod(lambda pod: "running" in container(pod)["state"])
    await node.client.delete(POD, POD_KEY)
    await node.gone(POD, POD_KEY)
    assert (tmp_path / "order").read_text() == "hook\nterm\n"
    assert not node.node.containers.running()
    assert not (node.options.root / "pods" / pod["metadata"]["uid"]).exists()


async def test_a_container_that_ignores_sigterm_is_killed_with_its_descendants_after_the_grace(node: Any) -> None:
    script = "trap '' TERM; setsid sleep 1000 & echo $! ; while :; do sleep 0.05; done"
    await node.run({"terminationGracePeriodSeconds": 1, "containers": [shell(script)]})
    await node.pod(lambda pod: "running" in container(pod)["state"])
    record = node.node.containers.running()[0]
    descendants = psutil.Process(record.shim_pid).children(recursive=True)
    await node.client.delete(POD, POD_KEY)
    await node.gone(POD, POD_KEY)
    assert not [each.pid for each in descendants if alive(each.pid)]


async def test_a_restarted_node_finds_its_containers_again(cluster: Any) -> None:
    await cluster.start()
    await cluster.run({"containers": [shell("exec sleep 1000", readinessProbe={"exec": {"command": ["true"]}})]})
    before = await cluster.pod(lambda pod: condition(pod, "Ready") == "True")
    pid = cluster.node.containers.running()[0].pid
    await cluster.stop()
    assert alive(pid)
    await cluster.start()
    assert [record.pid for record in cluster.node.containers.running()] == [pid]
    cluster.node.pods.changed(before["metadata"]["uid"])
    await cluster.client.delete(POD, POD_KEY)
    await cluster.gone(POD, POD_KEY)
    assert not alive(pid)


async def test_a_pod_deleted_while_the_node_was_away_is_ended_when_it_is_back(cluster: Any) -> None:
    await cluster.start()
    await cluster.run({"containers": [shell("exec sleep 1000")]})
    await cluster.pod(lambda pod: "running" in container(pod)["state"])
    record = cluster.node.containers.running()[0]
    await cluster.stop()
    await cluster.client.delete(POD, POD_KEY, grace_period_seconds=0)
    node = await cluster.start()
    await node.containers.wait(record)
    assert not alive(record.pid)


async def test_a_container_whose_shim_was_killed_is_ended_and_restarted(node: Any) -> None:
    await node.run({"containers": [shell("exec sleep 1000")]})
    await node.pod(lambda pod: "running" in container(pod)["state"])
    record = node.node.containers.running()[0]
    os.kill(record.shim_pid, signal.SIGKILL)
    pod = await node.pod(lambda pod: container(pod)["restartCount"] == 1)
    assert container(pod)["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert not alive(record.pid)


async def test_a_pod_past_its_deadline_has_failed(node: Any) -> None:
    await node.run({"activeDeadlineSeconds": 1, "containers": [shell("exec sleep 1000")]})
    pod = await node.pod(lambda pod: phase(pod) == "Failed" and "terminated" in container(pod)["state"])
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert not node.node.containers.running()


async def test_a_pod_that_is_ready_is_not_written_again(node: Any) -> None:
    await node.run({"containers": [shell("exec sleep 1000", readinessProbe={"exec": {"command": ["true"]}})]})
    pod = await node.pod(lambda pod: condition(pod, "Ready") == "True")
    for _ in range(3):
        await node.node.pods.reconcile(POD_KEY)
    again = await node.client.get(POD, POD_KEY)
    assert again["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]


async def test_secrets_are_in_no_argument_and_no_file_but_the_volume(node: Any) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret", "namespace": "default"}}
    await node.client.create({**secret, "stringData": {"token": "very-secret-value"}})
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "token"}}}]
    await node.run({"containers": [shell("exec sleep 1000", env=env)]})
    await node.pod(lambda pod: "running" in container(pod)["state"])
    record = node.node.containers.running()[0]
    for pid in (record.pid, record.shim_pid):
        assert "very-secret-value" not in " ".join(psutil.Process(pid).cmdline())
    for path in node.options.root.rglob("*"):
        assert not path.is_file() or b"very-secret-value" not in path.read_bytes(), path
    assert (await node.client.get(SECRET, Key("default", "secret")))["data"]
