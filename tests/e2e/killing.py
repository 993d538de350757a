"""Finds the processes of a cluster by what they were started as, and kills them without warning."""

import contextlib
import os
import signal

from cluster import Cluster

SUPERVISOR = "kaito.local.supervisor"
CONTROLLER = "kaito-controller --kubeconfig"
PROVISIONER = "kaito-provisioner --kubeconfig"
API_SERVER = "kaito-apiserver --data-dir"
CLUSTER = "kaito.local.cluster"
NODE = "kaito-node --kubeconfig"
SHIM = "local/node/shim.py"
SERVER = "kaito-runtime serve"
WEIGHTS = "kaito-runtime stand-in"
"""Words of the command line of each process; a node's also names its machine."""


def pids(cluster: Cluster, words: str, *more: str) -> list[int]:
    """Return the processes whose command line holds all the words."""
    lines = (line.partition(" ") for line in cluster.processes())
    return sorted(int(pid) for pid, _, command in lines if all(one in command for one in (words, *more)))


def kill(cluster: Cluster, words: str, *more: str) -> list[int]:
    """Kill -9 what matches; return the pids, none where this cluster has no such process of ours."""
    killed = []
    for pid in pids(cluster, words, *more):
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
    return killed


def kill_and_wait(cluster: Cluster, words: str, *more: str) -> None:
    """Kill -9, and wait until another one runs in its place. What is not ours to kill is left alone.

    One that has just ended is being started again: it is waited for.
    """
    if words == API_SERVER and not pids(cluster, words, *more):
        return  # the API server of another cluster is not ours: its own tests kill it
    before = cluster.until(f"a process {words}", lambda: kill(cluster, words, *more), timeout=60)
    cluster.until(
        f"another {words}", lambda: [pid for pid in pids(cluster, words, *more) if pid not in before], timeout=60
    )
    if words == API_SERVER:
        cluster.until("its answer", lambda: cluster.kubectl("get", "--raw", "/readyz", check=False), timeout=60)
