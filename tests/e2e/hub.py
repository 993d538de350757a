"""A Hugging Face hub on this machine, for tests: the true protocol, and every trouble that the real one can give.

Two servers, as in the field: the hub itself (API and `resolve`) and the host of the large files, which the hub sends
its clients to with a signed URL. Facts of the protocol: what `huggingface_hub` asks for and reads, and the answers in
its users' reports; `test_hub_protocol` has that library's own client download from here.
"""

import hashlib
import json
import os
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

SIGNATURE = "c4n4ry-s1gn4tur3"
"""Part of every signed URL: it must not be met in a log or a status."""

_API = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/(revision|tree)/([^/]+))?")
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_CACHED = re.compile(r"/api/resolve-cache/models/([^/]+/[^/]+)/([0-9a-f]{40})/(.+)")


@dataclass(frozen=True)
class RepositoryFile:
    """A file in git, or, when `large`, behind a pointer in git: then its ETag is its SHA-256."""

    path: str
    content: bytes
    large: bool = False

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def blob_id(self) -> str:
        content = self.content
        if self.large:
            version = "https://git-lfs.github.com/spec/v1"
            content = f"version {version}\noid sha256:{self.sha256}\nsize {len(content)}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.blob_id

    def entry(self) -> dict[str, Any]:
        """Return the file as the tree listing has it."""
        entry: dict[str, Any] = {"type": "file", "oid": self.blob_id, "size": len(self.content), "path": self.path}
        if self.large:
            entry["lfs"] = {"oid": self.sha256, "size": len(self.content), "pointerSize": 135}
        return entry


@dataclass
class Repository:
    """A model at one commit. A gated one gives its files to `readers` (tokens) only; a private one hides itself."""

    name: str
    files: tuple[RepositoryFile, ...]
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    gated: bool = False
    private: bool = False
    readers: set[str] = field(default_factory=set)

    def file(self, path: str) -> RepositoryFile | None:
        return next((file for file in self.files if file.path == path), None)


@dataclass(frozen=True)
class Seen:
    """One request that came in."""

    host: str
    method: str
    path: str
    authorization: str
    range: str
    user_agent: str


@dataclass
class Troubles:
    """What goes wrong. Counts fall by one each time they strike; `None` and 0 mean that all is well."""

    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Answers to the next requests of the hub: status and headers."""
    hang: bool = False
    """Take requests and never answer them."""
    bytes_per_second: int = 0
    cuts: list[Literal["refuse", "close", "reset", "stall"]] = field(default_factory=list)
    """How the next answers with a large file end, each after `cut_after` bytes; one that is refused has none."""
    cut_after: int = 0
    page_size: int = 1000


class FakeHub:
    """Both servers, in threads of this process. `tokens` are the ones that exist at all."""

    def __init__(self, *repositories: Repository, tokens: set[str] | None = None, host: str = "127.0.0.1") -> None:
        self.repositories = {repository.name: repository for repository in repositories}
        self.tokens = tokens or set()
        self.troubles = Troubles()
        self.seen: list[Seen] = []
        self.sent: Counter[str] = Counter()
        self.ended = threading.Event()
        self._host = host
        self._servers = [self._serve("hub", 0), self._serve("cdn", 0)]
        self.endpoint, self.cdn = (f"http://{host}:{server.server_address[1]}" for server in self._servers)

    def __enter__(self) -> "FakeHub":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be down: connections are refused, and those that hang end."""
        self.ended.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def start(self) -> None:
        """Be there again, at the same addresses."""
        self.ended.clear()
        self._servers = [self._serve(name, self._port(name)) for name in ("hub", "cdn")]

    @property
    def paths(self) -> list[str]:
        """Method and path of every request."""
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    def forget(self) -> None:
        """Begin a new count."""
        self.seen.clear()
        self.sent.clear()

    def _port(self, name: str) -> int:
        return urlsplit(self.endpoint if name == "hub" else self.cdn).port or 0

    def _serve(self, name: str, port: int) -> ThreadingHTTPServer:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub, Handler.name = hub, name
        server = ThreadingHTTPServer((self._host, port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    hub: FakeHub
    name: str
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives
        """Say nothing."""

    def _answer(self) -> None:
        told = self.headers.get
        self.hub.seen.append(
            Seen(
                self.name,
                self.command,
                urlsplit(self.path).path,
                told("Authorization", ""),
                told("Range", ""),
                told("User-Agent", ""),
            )
        )
        if self.hub.troubles.hang:
            self.hub.ended.wait(600)
            self.close_connection = True
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            self._large_file() if self.name == "cdn" else self._hub()

    def _hub(self) -> None:
        if self.hub.troubles.refusals:
            status, headers = self.hub.troubles.refusals.pop(0)
            self._send(status, json.dumps({"error": "Not now."}).encode(), headers)
            return
        path = unquote(urlsplit(self.path).path)
        if found := _CACHED.fullmatch(path):
            self._small_file(*found.groups())
        elif found := _API.fullmatch(path):
            self._api(found[1], found[2] or "revision", unquote(found[3] or "main"))
        elif found := _RESOLVE.fullmatch(path):
            self._resolve(*found.groups())
        else:
            self._refuse(404, "EntryNotFound", "Not Found")

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _repository(self, name: str, revision: str, *, files: bool) -> Repository | None:
        """Return the repository at this revision; None after the refusal, as the hub words it."""
        repository, token = self.hub.repositories.get(name), self._token()
        if token and token not in self.hub.tokens:
            self._refuse(401, "", "Invalid credentials in Authorization header")
        elif repository is None or (repository.private and token not in repository.readers):
            self._refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        elif files and repository.gated and not token:
            said = (
                f"Access to model {name} is restricted. You must have access to it and be authenticated to access it."
            )
            self._refuse(401, "GatedRepo", f"{said} Please log in.")
        elif files and repository.gated and token not in repository.readers:
            said = f"Access to model {name} is restricted and you are not in the authorized list."
            self._refuse(403, "GatedRepo", f"{said} Visit https://huggingface.co/{name} to ask for access.")
        elif revision not in ("main", repository.commit):
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repository
        return None

    def _api(self, name: str, what: str, revision: str) -> None:
        repository = self._repository(name, revision, files=False)
        if repository is None:
            return
        if what == "tree":
            self._tree(repository)
            return
        about = {"_id": "0" * 24, "id": name, "modelId": name, "sha": repository.commit, "private": repository.private}
        about |= {"gated": "manual" if repository.gated else False, "tags": ["safetensors"], "downloads": 1}
        about["siblings"] = [{"rfilename": file.path} for file in repository.files]
        self._send(200, json.dumps(about).encode(), {"Content-Type": "application/json"})

    def _tree(self, repository: Repository) -> None:
        size = self.hub.troubles.page_size
        begin = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        page = [file.entry() for file in repository.files[begin : begin + size]]
        headers = {"Content-Type": "application/json"}
        if begin + size < len(repository.files):
            path = urlsplit(self.path).path
            headers["Link"] = f'<{self.hub.endpoint}{path}?recursive=True&cursor={begin + size}>; rel="next"'
        self._send(200, json.dumps(page).encode(), headers)

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._repository(name, revision, files=True)
        file = repository.file(path) if repository else None
        if repository is None:
            return
        if file is None:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": repository.commit})
            return
        headers = {"X-Repo-Commit": repository.commit, "Accept-Ranges": "bytes", "Vary": "Origin, Accept"}
        headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(len(file.content))}
        if not file.large:
            where = f"/api/resolve-cache/models/{name}/{repository.commit}/{quote(path, safe='')}"
            self._send(307, b"Temporary Redirect. Redirecting", {**headers, "Location": where})
            return
        where = f"{self.hub.cdn}/repos/{name}/{file.sha256}?X-Amz-Expires=3600&X-Amz-Signature={SIGNATURE}"
        self._send(302, b"Found. Redirecting", {**headers, "ETag": f'"{file.etag}"', "Location": where})

    def _small_file(self, name: str, commit: str, path: str) -> None:
        repository = self._repository(name, commit, files=True)
        file = repository.file(path) if repository else None
        if repository is not None and file is not None:
            headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes", "ETag": f'"{file.etag}"'}
            self._send_range(file.content, headers, path)

    def _large_file(self) -> None:
        parts = urlsplit(self.path)
        if self.headers.get("Authorization"):
            self._send(400, b"Only one auth mechanism allowed", {"Content-Type": "text/plain"})
            return
        name, _, digest = parts.path.removeprefix("/repos/").rpartition("/")
        files = self.hub.repositories[name].files if SIGNATURE in parts.query else ()
        file = next((file for file in files if file.sha256 == digest), None)
        if file is None:
            self._send(403, b"AccessDenied", {"Content-Type": "text/plain"})
            return
        if self.command == "GET" and self.hub.troubles.cuts[:1] == ["refuse"]:
            self.hub.troubles.cuts.pop(0)
            self._send(503, b"Slow down", {"Content-Type": "text/plain"})
            return
        self._send_range(file.content, {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}, file.path, faulty=True)

    def _send_range(self, content: bytes, headers: Mapping[str, str], path: str, *, faulty: bool = False) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(asked[1]) if asked else 0
        if begin >= len(content) > 0:
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        partial = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if begin else {}
        self._head(206 if begin else 200, {**headers, **partial, "Content-Length": str(len(content) - begin)})
        if self.command == "GET":
            self._body(content, begin, path, faulty)

    def _body(self, content: bytes, begin: int, path: str, faulty: bool) -> None:
        """Send the rest of a file, in the way that the troubles say."""
        troubles = self.hub.troubles
        cut = troubles.cuts.pop(0) if faulty and troubles.cuts else None
        end = min(len(content), begin + troubles.cut_after) if cut else len(content)
        while begin < end:
            rate = troubles.bytes_per_second
            step = min(end - begin, max(1, rate // 20) if rate else 1 << 18)
            self.wfile.write(content[begin : begin + step])
            self.hub.sent[path] += step
            begin += step
            if rate:
                time.sleep(step / rate)
        self.wfile.flush()
        if cut == "stall":
            self.hub.ended.wait(600)
        if cut == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        self.close_connection = cut is not None or self.close_connection

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        named = {"X-Error-Code": code} if code else {}
        about = {**named, "X-Error-Message": message, **(headers or {}), "Content-Type": "application/json"}
        self._send(status, json.dumps({"error": message}).encode(), about)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._head(status, {**headers, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Request-Id", "Root=1-67545d8b-33604123b6654831703760a42c")
        self.end_headers()
