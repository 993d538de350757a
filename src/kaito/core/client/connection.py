"""Where the API server is and who we are: read from a kubeconfig, or from the pod's service account."""

import base64
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kaito.core.errors import KaitoError

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_EXTERNAL_USERS = ("exec", "auth-provider")


@dataclass(frozen=True)
class Identity:
    """Who a plugin says that we are: an Authorization header, a client certificate with its key (PEM), or both."""

    header: str = field(default="", repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ConnectionSettings:
    """How to reach one API server. Files are read when a connection is made, and again when they change.

    At most one of `token`, `token_file`, `username` and `authorization` is set. `authorization` asks a plugin who we
    are; it is asked again after the server answered 401.
    """

    server: str
    namespace: str = "default"
    ca_data: bytes | None = None
    ca_file: Path | None = None
    insecure: bool = False
    tls_server_name: str = ""
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    client_certificate_data: bytes | None = field(default=None, repr=False)
    client_key_data: bytes | None = field(default=None, repr=False)
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None
    proxy_url: str = ""
    impersonate: str = ""
    authorization: Callable[[], Awaitable[Identity]] | None = field(default=None, repr=False, compare=False)


def load_connection(kubeconfig: str | None = None, context: str | None = None) -> ConnectionSettings:
    """Find the API server: `kubeconfig`, else $KUBECONFIG, else ~/.kube/config, else the pod's service account.

    Raises KaitoError KubeconfigNotFound or KubeconfigInvalid, with what to do.
    """
    if kubeconfig:
        return from_kubeconfig([Path(kubeconfig).expanduser()], context)
    named = os.environ.get("KUBECONFIG", "")
    if paths := [Path(part).expanduser() for part in named.split(os.pathsep) if part]:
        return from_kubeconfig(paths, context)
    usual = Path("~/.kube/config").expanduser()
    if usual.is_file():
        return from_kubeconfig([usual], context)
    if os.environ.get("KUBERNETES_SERVICE_HOST") and _SERVICE_ACCOUNT.is_dir():
        return in_cluster()
    raise KaitoError(
        "KubeconfigNotFound",
        f"no --kubeconfig, no $KUBECONFIG, no {usual}, and this is not a pod",
        terminal=True,
        remedy="Name a kubeconfig, or set $KUBECONFIG.",
    )


def pod_namespace(directory: Path = _SERVICE_ACCOUNT) -> str:
    """Return the namespace of the pod we run in; empty outside one."""
    file = directory / "namespace"
    return file.read_text().strip() if file.is_file() else ""


def in_cluster(directory: Path = _SERVICE_ACCOUNT) -> ConnectionSettings:
    """Return the settings of a pod: its service account's token, namespace and CA."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return ConnectionSettings(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=pod_namespace(directory) or "default",
        ca_file=directory / "ca.crt",
        token_file=directory / "token",
    )


def from_kubeconfig(paths: list[Path], context: str | None = None) -> ConnectionSettings:
    """Read a context (the current one by default) of kubeconfig files; the first that names a thing wins."""
    config = _Kubeconfig.read(paths)
    chosen = context or config.current_context
    if not chosen:
        raise config.invalid("there is no current-context", "Name one with `kubectl config use-context`.")
    found = config.named("contexts", "context", chosen)
    cluster = config.named("clusters", "cluster", found.get("cluster", ""))
    user = config.named("users", "user", found["user"]) if found.get("user") else {}
    if not cluster.get("server"):
        raise config.invalid(f"cluster {found.get('cluster')!r} has no server", "Add `server: https://…` to it.")
    authorization = None
    if any(user.get(name) for name in _EXTERNAL_USERS):
        from kaito.core.client.external_auth import external_authorization

        authorization = external_authorization(config.origin(found["user"]), chosen)
    return ConnectionSettings(
        server=str(cluster["server"]).rstrip("/"),
        namespace=found.get("namespace") or "default",
        ca_data=_decoded(cluster.get("certificate-authority-data")),
        ca_file=config.file(cluster, "certificate-authority"),
        insecure=bool(cluster.get("insecure-skip-tls-verify", False)),
        tls_server_name=cluster.get("tls-server-name") or "",
        proxy_url=cluster.get("proxy-url") or "",
        token=user.get("token") or None,
        token_file=None if user.get("token") else config.file(user, "tokenFile"),
        username=user.get("username") or "",
        password=user.get("password") or "",
        client_certificate_data=_decoded(user.get("client-certificate-data")),
        client_key_data=_decoded(user.get("client-key-data")),
        client_certificate_file=config.file(user, "client-certificate"),
        client_key_file=config.file(user, "client-key"),
        impersonate=user.get("as") or "",
        authorization=authorization,
    )


def _decoded(data: str | None) -> bytes | None:
    return base64.b64decode(data) if data else None


@dataclass(frozen=True)
class _Kubeconfig:
    """Merged kubeconfig files; each entry remembers its file, because relative paths in it are relative to that."""

    paths: tuple[Path, ...]
    documents: tuple[tuple[Path, dict[str, Any]], ...]

    @classmethod
    def read(cls, paths: list[Path]) -> "_Kubeconfig":
        documents = []
        for path in paths:
            try:
                document = yaml.safe_load(path.read_text())
            except FileNotFoundError:
                continue
            except (OSError, yaml.YAMLError) as error:
                raise KaitoError(
                    "KubeconfigInvalid", f"kubeconfig {path}: {error}", terminal=True, remedy="Repair the file."
                ) from error
            if isinstance(document, dict):
                documents.append((path, document))
        if not documents:
            raise KaitoError(
                "KubeconfigNotFound",
                f"kubeconfig {', '.join(map(str, paths))} does not exist or is empty",
                terminal=True,
                remedy="Check the path.",
            )
        return cls(tuple(paths), tuple(documents))

    @property
    def current_context(self) -> str:
        return next((str(d["current-context"]) for _, d in self.documents if d.get("current-context")), "")

    def named(self, section: str, member: str, name: str) -> dict[str, Any]:
        for path, document in self.documents:
            for entry in document.get(section) or ():
                if entry.get("name") == name:
                    return {**(entry.get(member) or {}), "": path}
        raise self.invalid(f"{member} {name!r} is not defined", f"Add it to `{section}`, or use another context.")

    def origin(self, user: str) -> Path:
        path: Path = self.named("users", "user", user)[""]
        return path

    def file(self, entry: dict[str, Any], name: str) -> Path | None:
        if not entry.get(name):
            return None
        origin: Path = entry[""]
        return origin.parent / Path(str(entry[name])).expanduser()

    def invalid(self, what: str, remedy: str) -> KaitoError:
        names = ", ".join(map(str, self.paths))
        return KaitoError("KubeconfigInvalid", f"kubeconfig {names}: {what}", terminal=True, remedy=remedy)
