"""Which API server a command talks to, and talking to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kaito.core import Client, KaitoError, load_connection
from kaito.local.directory import ClusterDirectory, default_directory
from kaito.local.supervisor import read_state


def cluster_directory(directory: Path | None) -> ClusterDirectory:
    """Return the folder of the local cluster that `--dir` names, or the default one."""
    return ClusterDirectory((directory or default_directory()).expanduser().absolute())


def kubeconfig_of(directory: Path | None, kubeconfig: Path | None) -> str | None:
    """Return the kubeconfig to use: the named one, else the local cluster's, else None (what kubectl would use).

    KaitoError (NoCluster) when a folder is named in which there is none.
    """
    if kubeconfig is not None:
        return str(kubeconfig.expanduser())
    paths = cluster_directory(directory)
    state = read_state(paths)
    if state is not None and state.settings.kubeconfig:
        return state.settings.kubeconfig
    if paths.kubeconfig.is_file():
        return str(paths.kubeconfig)
    if directory is not None:
        raise KaitoError(
            "NoCluster", f"There is no cluster in {paths.root}", remedy=f"Start one with `kaito up --dir {directory}`."
        )
    return None


@asynccontextmanager
async def connected(directory: Path | None, kubeconfig: Path | None) -> AsyncIterator[Client]:
    """Yield a client of the cluster. KaitoError when there is none or it cannot be reached."""
    settings = load_connection(kubeconfig_of(directory, kubeconfig))
    client = await Client.connect(settings, field_manager="kaito-cli", user_agent="kaito-cli")
    try:
        yield client
    finally:
        await client.close()
