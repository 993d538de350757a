"""What the admin port of our server is told and says about adapters."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.runtime.servers import Server
from kaito.contracts import ADAPTER_SET_ROUTE, STATUS_PATH

WAIT_SECONDS = 120.0


class Adapters:
    """The adapters of one server, put one by one."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def put(self, name: str, folder: Path) -> None:
        """Want an adapter from a folder. RuntimeError when that is refused."""
        self._tell(name, {"name": name, "path": str(folder)}, "PUT")

    def delete(self, name: str) -> None:
        """Want it no more."""
        self._tell(name, None, "DELETE")

    def ready(self, name: str, digest: str = "") -> str:
        """Wait until an adapter is served, with this digest where one is given; return its digest."""

        def served(adapters: dict[str, dict[str, Any]]) -> bool:
            found = adapters.get(name, {})
            if found.get("state") == "Failed":
                raise RuntimeError(f"adapter {name}: {found['reason']}: {found['message']}")
            return found.get("state") == "Ready" and digest in ("", found.get("digest"))

        return str(self._wait(served, f"{name} is not served")[name]["digest"])

    def gone(self, name: str) -> None:
        """Wait until nothing is left of an adapter."""
        self._wait(lambda adapters: name not in adapters, f"{name} is still there")

    def names(self) -> set[str]:
        """Return the names of all adapters that the server knows."""
        return set(_by_name(self._status(0)))

    def _tell(self, name: str, body: Any, method: str) -> None:
        status, answer = self._server.ask(f"{ADAPTER_SET_ROUTE}/{name}", body, method=method, admin=True)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} of adapter {name} was answered {status}: {answer}")

    def _status(self, after: int) -> dict[str, Any]:
        status, found = self._server.ask(f"{STATUS_PATH}?after={after}" if after else STATUS_PATH, admin=True)
        if status != 200:
            raise RuntimeError(f"the admin port answered {status}")
        assert isinstance(found, dict)
        return found

    def _wait(self, enough: Callable[[dict[str, dict[str, Any]]], bool], otherwise: str) -> dict[str, dict[str, Any]]:
        deadline, after = time.monotonic() + WAIT_SECONDS, 0
        while time.monotonic() < deadline:
            status = self._status(after)
            if enough(adapters := _by_name(status)):
                return adapters
            after = status["sequence"]
        raise RuntimeError(f"{otherwise} after {WAIT_SECONDS:.0f} s")


def _by_name(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {adapter["name"]: adapter for adapter in status["adapters"]}
