"""kubectl's streams, as a person or a script uses them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from cluster import Cluster
from terminal import Terminal, terminal

from kaito.local.ports import free_port

SHELL = """\
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: busybox
      args: [-c, 'exec sleep 3600']
      env: [{name: SETTING, value: from-the-pod}]
      volumeMounts: [{name: data, mountPath: /data-of-shell}]
    - {name: second, image: busybox, args: [-c, 'exec sleep 3600']}
  volumes: [{name: data, emptyDir: {}}]
"""


PROMPT = "#" if os.geteuid() == 0 else "$"
"""Of a shell in a container: its user is the one who runs these tests."""
OLDER = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
"""Environment in which kubectl speaks SPDY, as it did before 1.31."""


def kubectl(cluster: Cluster, *arguments: str, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**cluster.environment(), **more}
    return subprocess.run(
        ["kubectl", *arguments], capture_output=True, input=stdin, timeout=120, env=environment, check=False
    )


def in_terminal(cluster: Cluster, *arguments: str) -> AbstractContextManager[Terminal]:
    return terminal(["kubectl", *arguments], cluster.environment())


@contextmanager
def forwarded(cluster: Cluster, target: str, remote: int, **more: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run `kubectl port-forward`; yield the local port, and the process, whose output is in its standard error."""
    local = free_port()
    command = ["kubectl", "port-forward", target, f"{local}:{remote}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**cluster.environment(), **more}
    )
    try:
        assert process.stdout is not None
        assert f"Forwarding from 127.0.0.1:{local} -> " in process.stdout.readline()
        yield local, process
    finally:
        process.kill()
        process.wait()
