"""One API server, asked over plain HTTP. No client of ours in between."""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE_SECONDS = 60.0
MERGE, JSON_PATCH, STRATEGIC, APPLY = (
    f"application/{kind}+{form}"
    for kind, form in (
        ("merge-patch", "json"),
        ("json-patch", "json"),
        ("strategic-merge-patch", "json"),
        ("apply-patch", "yaml"),
    )
)


@dataclass(frozen=True)
class Answer:
    """Status code and JSON body. The reason and message are those of a `Status`."""

    code: int
    body: Any
    headers: httpx.Headers

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Reason and field of each cause, in order."""
        causes = (self.body.get("details") or {}).get("causes") or ()
        return [(cause.get("reason", ""), cause.get("field", "")) for cause in causes]


class Api:
    """Requests to one server as its administrator."""

    def __init__(self, server: str, authority: str, token: str) -> None:
        self.server, self.authority, self.token = server, authority, token
        context = ssl.create_default_context(cadata=authority)
        self._client = httpx.Client(
            base_url=server, verify=context, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **params: Any) -> Answer:
        """Send a request. `kind` is the content type; `params` make the query, but for `accept` and `token`."""
        headers = {} if body is None else {"Content-Type": kind}
        accept, token = params.pop("accept", None), params.pop("token", None)
        if accept:
            headers["Accept"] = accept
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
        answer = self._client.request(method, path, content=content, params=query, headers=headers)
        try:
            parsed = answer.json()
        except ValueError:
            parsed = answer.text
        return Answer(answer.status_code, parsed, answer.headers)

    def get(self, path: str, **params: Any) -> Answer:
        return self.ask("GET", path, **params)

    def post(self, path: str, body: Any, **params: Any) -> Answer:
        return self.ask("POST", path, body, **params)

    def put(self, path: str, body: Any, **params: Any) -> Answer:
        return self.ask("PUT", path, body, **params)

    def patch(self, path: str, body: Any, kind: str = MERGE, **params: Any) -> Answer:
        return self.ask("PATCH", path, body, kind=kind, **params)

    def apply(self, path: str, body: Any, manager: str = "me", **params: Any) -> Answer:
        return self.ask("PATCH", path, body, kind=APPLY, fieldManager=manager, **params)

    def delete(self, path: str, body: Any = None, **params: Any) -> Answer:
        return self.ask("DELETE", path, body, **params)

    @contextmanager
    def watch(self, path: str, **params: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """Open a watch and yield its events; the server ends it after `timeoutSeconds` (default 5)."""
        accept = params.pop("accept", None)
        query = {"watch": "true", "timeoutSeconds": 5, **params}
        headers = {"Accept": accept} if accept else {}
        with self._client.stream("GET", path, params=query, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            yield (json.loads(line) for line in answer.iter_lines() if line)

    def until(self, read: Callable[[], Any], wanted: Callable[[Any], Any]) -> Any:
        """Return what `read` finds once `wanted` is true of it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not wanted(found := read()):
            assert time.monotonic() < end, f"not in time; last seen: {found}"
            time.sleep(0.1)
        return found
