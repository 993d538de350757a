"""What a supervisor is started with, and what it says of itself while it runs."""

from pathlib import Path

import msgspec

from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory
from kaito.local.ports import free_ports, is_free, outgoing, stays_free
from kaito.local.processes import ProcessIdentity
from kaito.local.supervisor.ranges import Ranges

DEFAULT_PORT = 7443


class SupervisorSettings(msgspec.Struct, frozen=True, rename="camel"):
    """Options of `kaito up`. `kubeconfig` names a real API server; empty means our own. Ports are TCP on 127.0.0.1.

    Empty ranges and zero ports are filled in by `prepare`.
    """

    directory: str
    port: int = DEFAULT_PORT
    kubeconfig: str = ""
    weights: str = "stand-in"
    service_cidr: str = ""
    pod_cidr: str = ""
    cluster_port: int = 0
    controller_port: int = 0
    provisioner_port: int = 0
    webhook_port: int = 0

    @property
    def paths(self) -> ClusterDirectory:
        """The folder of the cluster."""
        return ClusterDirectory(Path(self.directory))

    @property
    def embedded(self) -> bool:
        """Whether the cluster has our own API server."""
        return not self.kubeconfig

    @property
    def ranges(self) -> Ranges:
        """Its addresses."""
        return Ranges(self.service_cidr, self.pod_cidr)

    @property
    def client_kubeconfig(self) -> Path:
        """The kubeconfig that the user connects with."""
        return Path(self.kubeconfig) if self.kubeconfig else self.paths.kubeconfig

    def kubeconfig_of(self, account: str) -> Path:
        """Return the kubeconfig of a process: that of its ServiceAccount, or of the embedded API server's one user."""
        return self.paths.kubeconfig if self.embedded else self.paths.credentials / f"{account}.kubeconfig"


class SupervisorState(msgspec.Struct, frozen=True, rename="camel"):
    """A supervisor that was started: its process and its settings. Written to `supervisor.json`."""

    pid: int
    start_ticks: int
    settings: SupervisorSettings

    @property
    def identity(self) -> ProcessIdentity:
        """The supervisor's process."""
        return ProcessIdentity(self.pid, self.start_ticks)


def read_state(paths: ClusterDirectory) -> SupervisorState | None:
    """Return what the last supervisor of this folder said of itself, or None. It may be dead."""
    try:
        return msgspec.json.decode(paths.state.read_bytes(), type=SupervisorState)
    except (OSError, msgspec.DecodeError):
        return None


def with_ports(settings: SupervisorSettings) -> SupervisorSettings:
    """Return the settings with a port for each server of the processes: those after the API server's, or free ones."""
    wanted = [settings.port + number for number in (1, 2, 3, 4)]
    spare = iter(free_ports(4, but={*outgoing(), *wanted}))
    cluster, controller, provisioner, webhook = (port if stays_free(port) else next(spare) for port in wanted)
    return msgspec.structs.replace(
        settings,
        cluster_port=cluster,
        controller_port=controller,
        provisioner_port=provisioner,
        webhook_port=webhook,
    )


def check_port(port: int) -> None:
    """Raise KaitoError (PortInUse) when the API server could not listen."""
    if not is_free(port):
        raise KaitoError(
            "PortInUse",
            f"Port {port} on 127.0.0.1 is in use.",
            terminal=True,
            remedy=f"Name another, for example `kaito up --port {port + 1000}`.",
        )
