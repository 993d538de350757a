"""Kaito: the Kubernetes AI toolchain operator. One Workspace becomes GPU nodes and a served model."""

from importlib.metadata import version as _version

__version__ = _version("kaito")
