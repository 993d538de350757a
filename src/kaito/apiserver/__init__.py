"""The embedded API server: a Kubernetes API on SQLite, for a laptop and for tests. It is no production cluster."""

from kaito.apiserver.server import EmbeddedServer, ServerOptions

__all__ = ["EmbeddedServer", "ServerOptions"]
