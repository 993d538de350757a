"""The manifests that are shipped, read from the installed package or from the checkout."""

from pathlib import Path

import yaml

import kaito
from kaito.core import Object

RIGHTS = ("base/rbac", "local-node")
"""Folders of the identities that `kaito up --kubeconfig` runs its processes under."""


def shipped(folder: str) -> list[Object]:
    """Return the objects of a folder of `manifests/`, in the order of its kustomization. OSError when it is missing."""
    root = _root() / folder
    names = yaml.safe_load((root / "kustomization.yaml").read_text())["resources"]
    return [obj for name in names for obj in yaml.safe_load_all((root / name).read_text()) if obj]


def _root() -> Path:
    package = Path(kaito.__file__).parent
    installed = package / "manifests"
    return installed if installed.is_dir() else package.parents[1] / "manifests"
