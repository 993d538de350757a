"""The folder of a local cluster: where everything is kept, and in which format."""

import os
from dataclasses import dataclass
from pathlib import Path

from kaito.core.errors import KaitoError

FORMAT = "1"
"""Raised when an older `kaito` could not use the folder any more."""

DIRECTORY_VARIABLE = "KAITO_DIR"


def default_directory() -> Path:
    """Return `$KAITO_DIR`, else `~/.kaito`."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".kaito"


@dataclass(frozen=True)
class ClusterDirectory:
    """Paths inside the folder of one local cluster."""

    root: Path

    @property
    def kubeconfig(self) -> Path:
        """Admin kubeconfig, mode 0600: whoever can create pods here runs commands."""
        return self.root / "kubeconfig"

    @property
    def api_server(self) -> Path:
        """State, certificates and token of the API server."""
        return self.root / "apiserver"

    @property
    def token_file(self) -> Path:
        """The admin token, made by the API server."""
        return self.api_server / "token"

    @property
    def kubelet_token_file(self) -> Path:
        """The token with which the API server asks nodes for logs."""
        return self.api_server / "kubelet-token"

    @property
    def kubelet_client_ca_file(self) -> Path:
        """The authority of the certificate that a real API server shows when it asks nodes for logs."""
        return self.root / "kubelet-client-ca.crt"

    @property
    def credentials(self) -> Path:
        """On a real API server, a kubeconfig and a token per process."""
        return self.root / "credentials"

    @property
    def ca_file(self) -> Path:
        """The certificate that clients trust."""
        return self.api_server / "tls" / "ca.crt"

    @property
    def audit_log(self) -> Path:
        """Request log of the API server, audit.k8s.io/v1 JSON lines."""
        return self.root / "logs" / "audit.log"

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self.root / "logs"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor itself logs."""
        return self.root / "supervisor.log"

    @property
    def run(self) -> Path:
        """One record per running process: what the next `up` or `down` cleans up after a crash."""
        return self.root / "run"

    @property
    def progress(self) -> Path:
        """The steps of the last `up`, JSON lines."""
        return self.root / "run" / "progress.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the supervisor while it lives."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """What the running supervisor was started with."""
        return self.root / "supervisor.json"

    @property
    def ranges(self) -> Path:
        """Which addresses the cluster's Services and pods have."""
        return self.root / "ranges.json"

    @property
    def cloud(self) -> Path:
        """The local cloud: `cloud.yaml` and `instances/`."""
        return self.root / "cloud"

    @property
    def nodes(self) -> Path:
        """One folder per node."""
        return self.root / "nodes"

    @property
    def weights(self) -> Path:
        """Weights that outlive pods."""
        return self.root / "weights"

    @property
    def demo(self) -> Path:
        """What `kaito demo` makes: an adapter, its image, a manifest."""
        return self.root / "demo"

    @property
    def format_file(self) -> Path:
        """Says in which format the folder is."""
        return self.root / "format"

    def log_of(self, process: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{process}.log"

    def check(self) -> None:
        """Raise KaitoError (StaleDirectory) for a folder that another version wrote, or that is not ours at all."""
        if not self.root.is_dir() or not any(self.root.iterdir()):
            return
        try:
            found = self.format_file.read_text().strip()
        except OSError:
            found = ""
        if found != FORMAT:
            what = f"is in format {found}, not {FORMAT}" if found else "is not empty and was not made by kaito"
            raise KaitoError(
                "StaleDirectory",
                f"The directory {self.root} {what}.",
                terminal=True,
                remedy="Delete it with `kaito down --purge`, or name another with --dir."
                if found
                else "Name another with --dir.",
            )

    def prepare(self) -> None:
        """Make the folder and what every process expects in it. KaitoError as `check`."""
        self.check()
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.run, self.cloud / "instances", self.nodes, self.weights, self.api_server):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.format_file.write_text(FORMAT + "\n")
        except OSError as error:
            raise KaitoError(
                "DirectoryNotWritable",
                f"The directory {self.root} cannot be written ({error.strerror}).",
                terminal=True,
                remedy="Name another with --dir.",
            ) from error
