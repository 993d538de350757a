"""A webhook whose answers a test chooses word for word, and what it was asked."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from asking import Api

from kaito.core.certificates import signing

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
Response = dict[str, Any]
"""`response` of an AdmissionReview, but for its uid."""
Reply = Callable[[dict[str, Any]], Response] | tuple[int, bytes]
"""What is answered: a function of the request, or a status code and a body."""


def allow(_request: dict[str, Any]) -> Response:
    return {"allowed": True}


def deny(**status: Any) -> Callable[[dict[str, Any]], Response]:
    return lambda _request: {"allowed": False, **({"status": status} if status else {})}


def patch(*operations: dict[str, Any], **more: Any) -> Callable[[dict[str, Any]], Response]:
    text = base64.b64encode(json.dumps(operations).encode()).decode()
    return lambda _request: {"allowed": True, "patchType": "JSONPatch", "patch": text, **more}


class Webhook:
    """An HTTPS server on 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        made = signing.issue(["127.0.0.1"], datetime.now(UTC), timedelta(days=1))
        pair = folder / "pair.pem"
        pair.write_text(made["key"] + made["certificate"])
        self.authority = made["authority"]["pem"]
        self.reply: Reply = allow
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def client_config(self, **changes: Any) -> dict[str, Any]:
        bundle = base64.b64encode(self.authority.encode()).decode()
        return {"url": f"https://127.0.0.1:{self.port}/ask", "caBundle": bundle, **changes}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                reply = webhook.reply
                webhook.asked.append(request)
                webhook.paths.append(self.path)
                if isinstance(reply, tuple):
                    code, body = reply
                else:
                    response = {"uid": request["uid"], **reply(request)}
                    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
                    code, body = 200, json.dumps(review).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        return Handler


@contextmanager
def registered(
    api: Api, namespace: str, kind: str, client_config: dict[str, Any], *, effect: Callable[[], bool], **changes: Any
) -> Iterator[None]:
    """Register one webhook, `judge.example.org`, for the ConfigMaps of a namespace; wait for its `effect`."""
    entry = {
        "name": "judge.example.org",
        "clientConfig": client_config,
        "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        **changes,
    }
    path = f"{CONFIGURATIONS}/{kind}webhookconfigurations"
    made = api.post(path, {"metadata": {"name": namespace}, "webhooks": [entry]})
    assert made.code == 201, made.body
    try:
        api.until(effect, bool)
        yield
    finally:
        api.delete(f"{path}/{namespace}")
