"""The credentials of the embedded cluster."""

import base64
import os
import secrets
from pathlib import Path

import orjson

CONTEXT = "kaito"


def kubeconfig(server: str, ca: bytes, token: str) -> dict[str, object]:
    """Return a kubeconfig with one context, `kaito`."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [
            {
                "name": CONTEXT,
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()},
            }
        ],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": "default"}}],
    }


def write_kubeconfig(path: Path, server: str, ca_file: Path, token_file: Path) -> None:
    """Write the kubeconfig (JSON is YAML) with mode 0600, whole or not at all."""
    document = kubeconfig(server, ca_file.read_bytes(), token_file.read_text().strip())
    write_private(path, orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, whole or not at all, since a process may be reading it."""
    draft = path.with_name(f".{path.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)
    draft.replace(path)


def make_token(path: Path) -> None:
    """Make a token file, mode 0600; one that is there stays."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
