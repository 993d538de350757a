"""`kaito demo`: from nothing to a Workspace that answers."""

from kaito.cli.demo.demo import run

__all__ = ["run"]
