"""Requests to the admin ports of servers, with the token of the Workspace that each belongs to."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal

import aiohttp
import msgspec
import orjson

from kaito.contracts import ADAPTER_SET_ROUTE, ADMIN_PORT, STATUS_PATH, AdapterSet, AdapterSetRefused, RuntimeStatus
from kaito.controllers.workspace.known import Refusal
from kaito.controllers.workspace.workload import admin_secret_name
from kaito.core import Client
from kaito.core.errors import KaitoError
from kaito.core.kinds import SECRET
from kaito.core.objects import Key

POLL_SECONDS: Final = 40.0
"""Longest wait for a status; the server lets a poll wait 30 s."""

PUT_SECONDS: Final = 10.0
"""Longest wait until a server has taken a set: it answers before it fetches anything."""

UNHEARD: Final = (KaitoError, aiohttp.ClientError, msgspec.MsgspecError, OSError, ValueError, RecursionError)
"""What a server that does not answer as it should raises here; each may pass."""

_LARGEST_ANSWER: Final = 1 << 20
_NOT_YET: Final = frozenset({401, 403, 404, 405, 408, 425, 429})
"""4xx that say nothing about the set: another token, or a server that is not so far."""


@dataclass(frozen=True)
class Server:
    """The server in one pod of a Workspace."""

    workspace: Key
    pod_uid: str
    address: str


class AdminPort:
    """Asks servers. Used as an async context manager, which holds the connections."""

    def __init__(self, client: Client, port: int = ADMIN_PORT) -> None:
        self._client = client
        self._port = port
        self._tokens: dict[Key, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "AdminPort":
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))  # each poll holds one
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def status(self, server: Server, after: int | None) -> RuntimeStatus:
        """Return the status; with `after`, one that is newer, or the same after 30 s. Raises one of UNHEARD."""
        parameters = {} if after is None else {"after": str(after)}
        code, body = await self._ask("GET", server, STATUS_PATH, POLL_SECONDS, params=parameters)
        if code != 200:
            raise ValueError(f"answered {code}")
        return msgspec.json.decode(body, type=RuntimeStatus)

    async def put_set(self, server: Server, adapter_set: AdapterSet) -> Literal["taken", "older"] | Refusal:
        """Tell a server what it is to have. "older" says that it was told of a later generation before.

        Raises one of UNHEARD where it is to be told again.
        """
        code, body = await self._ask("PUT", server, ADAPTER_SET_ROUTE, PUT_SECONDS, data=orjson.dumps(adapter_set))
        if code < 300:
            return "taken"
        if code == 409:
            return "older"
        if code in _NOT_YET or not 400 <= code < 500:
            raise ValueError(f"answered {code}")
        return _refusal(adapter_set["generation"], code, body)

    def forget(self, workspace: Key) -> None:
        """Drop the token of a Workspace that is gone."""
        self._tokens.pop(workspace, None)

    async def _ask(
        self,
        method: str,
        server: Server,
        path: str,
        seconds: float,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> tuple[int, bytes]:
        if self._session is None:
            raise ConnectionError("not open")
        host = f"[{server.address}]" if ":" in server.address else server.address
        headers = {"Authorization": f"Bearer {await self._token(server.workspace)}", "Content-Type": "application/json"}
        extra: dict[str, Any] = {"params": params, "data": data, "headers": headers, "allow_redirects": False}
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=PUT_SECONDS)
        url = f"http://{host}:{self._port}{path}"
        async with self._session.request(method, url, timeout=timeout, **extra) as response:
            if response.status in (401, 403):
                self._tokens.pop(server.workspace, None)  # the Secret was replaced
            body = b""
            while chunk := await response.content.read(_LARGEST_ANSWER - len(body)):
                body += chunk
            return response.status, body

    async def _token(self, workspace: Key) -> str:
        """Read the one Secret by its name, unless its token is known and was not refused."""
        token = self._tokens.get(workspace)
        if token is None:
            secret = await self._client.get(SECRET, Key(workspace.namespace, admin_secret_name(workspace.name)))
            token = base64.b64decode(secret.get("data", {}).get("token", "")).decode()
            self._tokens[workspace] = token
        return token


def _refusal(generation: int, code: int, body: bytes) -> Refusal:
    try:
        said = msgspec.json.decode(body, type=AdapterSetRefused)
    except msgspec.MsgspecError:
        return Refusal(generation, f"it answered {code}.")
    return Refusal(generation, said["detail"], said.get("adapter", ""), said.get("reason", "") or "LoadFailed")
