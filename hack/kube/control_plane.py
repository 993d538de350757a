"""A real control plane on loopback, for as long as a command runs.

    python hack/kube/control_plane.py -- kubectl get namespaces

starts etcd, kube-apiserver (RBAC, audit log), kube-controller-manager and kube-scheduler, runs the command with
KUBECONFIG (cluster admin) and KAITO_AUDIT_LOG in its environment, stops everything and exits as the command did.
Without a command it runs until Ctrl-C. The binaries are those of hack/kube/build.
"""

import argparse
import base64
import ctypes
import fcntl
import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from certificates import Authority, service_account_key

from kaito.local.ports import free_ports

LOCK = "control-plane.lock"
START_SECONDS = 120.0
STOP_SECONDS = 20.0
USERS = {  # who holds which token: user, group
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
}
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],  # a watch that still runs has a ResponseStarted alone
    "rules": [{"level": "Metadata"}],
}


class ControlPlane:
    """The processes and files of one control plane."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._pki = folder / "pki"
        self._ports = dict(zip(("api", "etcd", "peer", "manager", "scheduler"), free_ports(5), strict=True))
        self._tokens = {user: secrets.token_urlsafe(24) for user in USERS}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def kubeconfig(self) -> Path:
        """The cluster admin's."""
        return self._folder / "admin.kubeconfig"

    @property
    def service_range(self) -> str:
        """Addresses of Services, a /20 for each of sixteen control planes.

        Of the block for benchmarks (RFC 2544): a cluster that this machine is a node of may have the usual ones, and
        its kube-proxy drops what it does not know there.
        """
        return f"198.18.{self._ports['api'] % 16 * 16}.0/20"

    @property
    def audit_log(self) -> Path:
        """One JSON line per answered request."""
        return self._folder / "audit.log"

    def start(self) -> None:
        """Start everything; returns when it serves. RuntimeError with the end of a log when something does not."""
        for folder in (self._pki, self._folder / "log"):
            folder.mkdir(parents=True, exist_ok=True)
        self._write_credentials()
        self._start_etcd()
        self._start_api_server()
        self._until("the API server is ready", lambda: self._get("/readyz") == b"ok")
        self._start_client("kube-scheduler", self._ports["scheduler"])
        self._start_client(
            "kube-controller-manager",
            self._ports["manager"],
            f"--root-ca-file={self._pki}/ca.crt",
            f"--service-account-private-key-file={self._pki}/sa.key",
            "--use-service-account-credentials",
        )
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._until("the controllers work", lambda: bool(self._get(account)))

    def stop(self) -> None:
        """Stop everything, the API server's clients first."""
        for name, process in reversed(self._processes.items()):
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"control_plane: {name} did not stop within {STOP_SECONDS:.0f} s", file=sys.stderr)
                process.kill()
                process.wait()

    def _write_credentials(self) -> None:
        authority = Authority(self._pki, "ca")
        authority.sign("apiserver", "kube-apiserver", addresses=("127.0.0.1", "localhost", "kubernetes.default.svc"))
        authority.sign("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters")
        service_account_key(self._pki)
        lines = [
            f'{self._tokens[user]},{name},{name},"{group}"' if group else f"{self._tokens[user]},{name},{name}"
            for user, (name, group) in USERS.items()
        ]
        private(self._pki / "tokens.csv", "\n".join(lines) + "\n")
        private(self._folder / "audit-policy.yaml", json.dumps(AUDIT_POLICY))
        for user in USERS:
            private(self._folder / f"{user}.kubeconfig", json.dumps(self._kubeconfig_of(user)))

    def _kubeconfig_of(self, user: str) -> dict[str, object]:
        authority = base64.b64encode((self._pki / "ca.crt").read_bytes()).decode()
        server = f"https://127.0.0.1:{self._ports['api']}"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kube", "cluster": {"server": server, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": "kube", "context": {"cluster": "kube", "user": user}}],
            "current-context": "kube",
        }

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd", "peer"))
        self._start(
            "etcd",
            f"--data-dir={self._folder}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # a test's cluster loses nothing that matters
        )

    def _start_api_server(self) -> None:
        pki = self._pki
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._ports['api']}",
            "--endpoint-reconciler-type=none",  # it would publish a loopback address, which its own validation refuses
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--token-auth-file={pki}/tokens.csv",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            f"--service-cluster-ip-range={self.service_range}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction,ExtendedResourceToleration",
            "--allow-privileged=true",
            f"--audit-policy-file={self._folder}/audit-policy.yaml",
            f"--audit-log-path={self.audit_log}",
        )

    def _start_client(self, name: str, port: int, *more: str) -> None:
        config = f"{self._folder}/{name}.kubeconfig"
        kubeconfigs = [f"--{prefix}kubeconfig={config}" for prefix in ("", "authentication-", "authorization-")]
        self._start(name, *kubeconfigs, "--bind-address=127.0.0.1", f"--secure-port={port}", "--leader-elect=false",
                    f"--cert-dir={self._folder}/{name}", *more)  # fmt: skip

    def _start(self, name: str, *arguments: str) -> None:
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [self._binaries / name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_ends_with_its_parent,
                start_new_session=True,  # Ctrl-C reaches this program alone, which stops them in order
            )

    def _until(self, what: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while not ready():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with {process.returncode}:\n{self._tail(name)}")
            if time.monotonic() > end:
                raise RuntimeError(f"not within {START_SECONDS:.0f} s: {what}\n{self._tail('kube-apiserver')}")
            time.sleep(0.2)

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(
            f"https://127.0.0.1:{self._ports['api']}{path}",
            headers={"Authorization": f"Bearer {self._tokens['admin']}"},
        )
        context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as answer:
                return bytes(answer.read())
        except OSError:
            return b""

    def _log(self, name: str) -> Path:
        return self._folder / "log" / f"{name}.log"

    def _tail(self, name: str) -> str:
        return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-20:])


def _ends_with_its_parent() -> None:
    """Have the kernel end this process when the one that started it is gone, however it went."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read."""
    path.touch(mode=0o600)
    path.write_text(text)


@contextmanager
def folder_of(given: Path | None) -> Iterator[Path]:
    """Yield an empty folder: a temporary one, or the one that was asked for, which stays.

    SystemExit when that one is in use, or holds what is not ours to delete.
    """
    if given is None:
        with tempfile.TemporaryDirectory(prefix="kaito-kube-") as made:
            yield Path(made)
        return
    folder = given.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = folder / LOCK
    others = [entry for entry in folder.iterdir() if entry != lock]
    if others and not lock.exists():
        sys.exit(f"control_plane: {folder} is not empty and was not made by this program; name another with --dir")
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"control_plane: another control plane runs in {folder}; name another with --dir")
        for entry in others:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield folder


def run(plane: ControlPlane, command: list[str]) -> int:
    """Run the command beside a started control plane; without one, wait for a signal."""
    if not command:
        print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
        return 0
    environment = {**os.environ, "KUBECONFIG": str(plane.kubeconfig), "KAITO_AUDIT_LOG": str(plane.audit_log)}
    process = subprocess.Popen(command, env=environment)
    # The command ends first, in its own time: what it has to tidy up needs the API server.
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C in a terminal reaches the command too
    return process.wait()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--dir D] [-- COMMAND …]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", type=Path, help="keep state and logs in this folder, which is emptied first")
    parser.add_argument("command", nargs="*")
    given = parser.parse_args()
    build = subprocess.run([Path(__file__).parent / "build"], check=True, stdout=subprocess.PIPE, text=True)
    if not given.command:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with folder_of(given.dir) as folder:
        plane = ControlPlane(Path(build.stdout.strip()), folder)
        try:
            plane.start()
            return run(plane, given.command)
        except RuntimeError as error:
            print(f"control_plane: {error}", file=sys.stderr)
            return 1
        finally:
            plane.stop()


if __name__ == "__main__":
    sys.exit(main())
