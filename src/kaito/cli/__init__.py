"""The `kaito` command, also installed as `kubectl kaito`."""

from kaito.cli.app import app, main

__all__ = ["app", "main"]
