"""What stands before vLLM: keys, bounds, deadlines, cancelled requests, and the drain. One real server for the file."""

import gzip
import http.client
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from runtime.server import PRESET, RuntimeServer

KEY, OTHER_KEY = "a-key-of-a-client", "a-key-that-is-taken-back"
STREAMS = 50
DRAIN_DELAY = 3
LONG = {"model": PRESET, "prompt": "Hello", "max_tokens": 1900, "ignore_eos": True, "temperature": 0}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"{KEY}\n{OTHER_KEY}\n")
    return file


class Collector(ThreadingHTTPServer):
    """Takes traces as an OpenTelemetry collector does, and keeps their bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taken)
        self.spans = b""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Taken(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        coded = self.headers.get("Content-Encoding") == "gzip"
        self.server.spans += gzip.decompress(body) if coded else body
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:  # type: ignore[override]
        """Say nothing."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
        collector = Collector()
        yield collector
        collector.shutdown()


@pytest.fixture(scope="module")
def server(
    stand_in: Path, keys: Path, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RuntimeServer]:
    server = RuntimeServer(
        tmp_path_factory.mktemp("server"),
        stand_in,
        f"--served-model-name={PRESET}",
        "--max-model-len=2048",
        "--max-num-seqs=64",
        "--max-num-queued-reqs=60",
        f"--kaito-api-keys-file={keys}",
        f"--kaito-drain-delay-seconds={DRAIN_DELAY}",
        f"--otlp-traces-endpoint=http://127.0.0.1:{collector.server_port}/v1/traces",
    )
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


def post(
    server: RuntimeServer, path: str, body: Any, *, key: str = KEY, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Send one request on a connection of its own; a body that is bytes is sent as it is."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **(headers or {})}
    connection.request("POST", path, body=content, headers=sent)
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, read


def running(server: RuntimeServer) -> float:
    """Return how many requests vLLM computes."""
    lines = server.ask("/metrics", token=KEY).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("vllm:num_requests_running"))


def wait_until_running(server: RuntimeServer, count: int) -> None:
    """Wait until vLLM says that it computes so many."""
    deadline = time.monotonic() + 20
    while running(server) != count:
        assert time.monotonic() < deadline, f"{running(server)} run, not {count}"
        time.sleep(0.02)


def test_no_route_of_the_server_is_open_without_a_key(server: RuntimeServer) -> None:
    document = server.ask("/openapi.json", token=KEY).body
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes |= {
        ("GET", path) for path in ("/metrics", "/metrics/", "/docs", "/redoc", "/openapi.json", "/load", "/ping")
    }
    routes |= {("POST", path) for path in ("/chat", "/invocations", "/adapters", "/collective_rpc", "/nothing")}
    assert len(routes) > 20
    open_routes = []
    for method, path in sorted(routes):
        if path in {"/health", "/healthz", "/livez", "/readyz"}:
            continue
        for header in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}):
            connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
            connection.request(method, path, headers=header)
            answer = connection.getresponse()
            if answer.status != 401 or not answer.getheader("WWW-Authenticate"):
                open_routes.append((method, path, header, answer.status))
            connection.close()
    assert open_routes == []
    assert server.ask("/readyz").status == 200
    assert server.ask("/metrics", admin=True).status == 200


def test_a_key_that_is_taken_back_is_refused_within_10_seconds(server: RuntimeServer, keys: Path) -> None:
    assert server.ask("/v1/models", token=OTHER_KEY).status == 200
    keys.write_text(f"{KEY}\n")
    begun = time.monotonic()
    while server.ask("/v1/models", token=OTHER_KEY).status == 200:
        assert time.monotonic() - begun < 10
        time.sleep(0.1)
    assert server.ask("/v1/models", token=KEY).status == 200


BAD: dict[str, Any] = {
    "10 MB": {"model": PRESET, "prompt": "x " * 5_000_000},
    "a prompt far beyond the context": {"model": PRESET, "prompt": "x " * 1_000_000},
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"model":"x","a":' * 5000,
    "invalid UTF-8": b'{"model":"\xff\xfe"}',
    "half a surrogate pair": b'{"model":"' + PRESET.encode() + b'","prompt":"\\ud800"}',
    "no body": b"",
    "no object": b"[1]",
    "negative tokens": {**LONG, "max_tokens": -5},
    "absurd tokens": {**LONG, "max_tokens": 10**30},
    "negative temperature": {**LONG, "temperature": -3},
    "not a number": {**LONG, "temperature": float("nan")},
    "infinity": {**LONG, "temperature": float("inf")},
    "a negative n": {**LONG, "n": -3},
    "absurd logprobs": {**LONG, "logprobs": 10**6},
    "unknown tokens": {**LONG, "prompt": [10**9]},
    "a bias outside the vocabulary": {**LONG, "logit_bias": {"999999999": 5}},
    "a broken pattern": {**LONG, "structured_outputs": {"regex": "(" * 1000}},
    "too many prompts": {**LONG, "prompt": ["a"] * 2000},
    "an unknown model": {**LONG, "model": "nobody"},
}


@pytest.mark.parametrize("path", ["/v1/completions", "/chat"])
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_while_others_are_answered(server: RuntimeServer, name: str, path: str) -> None:
    status, _, body = post(server, path, BAD[name])
    assert 400 <= status < 500, body[:300]
    if name == "an unknown model" and path == "/v1/completions":
        assert (status, PRESET.encode() in body) == (404, True)
    assert post(server, "/v1/completions", {**LONG, "max_tokens": 1})[0] == 200


def test_a_stream_that_the_engine_does_not_take_is_no_200(server: RuntimeServer) -> None:
    body = {**LONG, "max_tokens": 100, "stream": True}
    with ThreadPoolExecutor(90) as pool:
        answers = list(pool.map(lambda _: post(server, "/v1/completions", body), range(90)))
    seen = Counter((status, b'"error"' in text, headers.get("retry-after", "")) for status, headers, text in answers)
    assert set(seen) == {(200, False, ""), (503, True, "1")}, seen
    assert seen[200, False, ""] >= 60
    assert post(server, "/v1/completions", {**LONG, "max_tokens": 1})[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", LONG),
        ("/v1/completions", {**LONG, "stream": True}),
        ("/v1/chat/completions", {**LONG, "messages": [{"role": "user", "content": "x"}]}),
        ("/chat", {"prompt": "x", "max_new_tokens": 1900, "min_new_tokens": 1900}),
    ],
)
def test_a_client_that_leaves_ends_its_computation(server: RuntimeServer, path: str, body: dict[str, Any]) -> None:
    wait_until_running(server, 0)
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        wait_until_running(server, 1)
    left = time.monotonic()
    wait_until_running(server, 0)
    assert time.monotonic() - left < 3  # 1,900 tokens take longer


def test_a_deadline_is_504_before_the_first_byte_and_an_event_after_it(server: RuntimeServer) -> None:
    limit = {"X-Request-Timeout": "0.7"}
    status, _, body = post(server, "/v1/completions", LONG, headers=limit)
    assert (status, json.loads(body)["error"]["code"]) == (504, "request_timeout")
    status, _, body = post(server, "/v1/completions", {**LONG, "stream": True}, headers=limit)
    assert status == 200
    assert b'"code": "request_timeout"' in body.split(b"\n\n")[-3]
    wait_until_running(server, 0)


def test_chat_in_pieces_is_chat_in_one(server: RuntimeServer) -> None:
    asked = {"prompt": "Hello", "do_sample": False, "max_new_tokens": 20}
    _, _, whole = post(server, "/chat", asked)
    status, headers, body = post(server, "/chat", {**asked, "stream": True})
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    events = [event.removeprefix(b"data: ") for event in body.strip().split(b"\n\n")]
    assert events.pop() == b"[DONE]"
    assert len(events) > 3
    assert "".join(json.loads(event)["Result"] for event in events) == json.loads(whole)["Result"]


def logged(server: RuntimeServer, request_id: str) -> list[dict[str, Any]]:
    """Return the log's lines of one request, of those that have been written whole."""
    whole = server.log().rpartition("\n")[0]
    lines = [json.loads(line) for line in whole.splitlines() if request_id in line and line.startswith("{")]
    return [line for line in lines if line["event"] == "request"]


def test_the_request_id_is_in_the_answer_and_in_the_log(server: RuntimeServer) -> None:
    asked = {**LONG, "max_tokens": 3, "prompt": "nobody may read this"}
    _, headers, body = post(server, "/v1/completions", asked, headers={"X-Request-Id": "trace-me"})
    assert headers["x-request-id"] == "trace-me"
    assert json.loads(body)["id"] == "cmpl-trace-me"
    deadline = time.monotonic() + 20
    while not (lines := logged(server, "trace-me")):  # it is written when the answer has been sent
        assert time.monotonic() < deadline
        time.sleep(0.01)
    [line] = lines
    assert (line["model"], line["status"], line["completion_tokens"]) == (PRESET, 200, 3)
    assert "nobody may read this" not in server.log()
    assert KEY not in server.log()


def test_traces_go_to_the_collector_without_the_prompt(server: RuntimeServer, collector: Collector) -> None:
    asked = {**LONG, "max_tokens": 2, "prompt": "nobody may trace this"}
    assert post(server, "/v1/completions", asked, headers={"X-Request-Id": "trace-this"})[0] == 200
    deadline = time.monotonic() + 20
    while b"trace-this" not in collector.spans:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert b"gen_ai.usage.completion_tokens" in collector.spans
    assert b"nobody may trace this" not in collector.spans


class Stream:
    """One streamed answer: what came, and whether it came whole."""

    def __init__(self, server: RuntimeServer) -> None:
        self.begun = threading.Event()
        self.text = b""
        self._server = server

    def read(self) -> bool:
        """Read to the end; return whether nothing is missing."""
        connection = http.client.HTTPConnection(self._server.host, self._server.port, timeout=120)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        body = {**LONG, "max_tokens": 250, "stream": True, "stream_options": {"include_usage": True}}
        try:
            connection.request("POST", "/v1/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            while part := answer.read1(65536):
                self.text += part
                self.begun.set()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            self.begun.set()
            connection.close()
        return b'"completion_tokens":250' in self.text and self.text.endswith(b"data: [DONE]\n\n")


class HalfSent:
    """A request whose body was begun and not ended."""

    def __init__(self, server: RuntimeServer) -> None:
        content = json.dumps({**LONG, "max_tokens": 1}).encode()
        self._rest = content[5:]
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
        self._connection.putrequest("POST", "/v1/completions")
        for name, value in {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}.items():
            self._connection.putheader(name, value)
        self._connection.putheader("Content-Length", str(len(content)))
        self._connection.endheaders(content[:5])

    def end(self) -> int:
        """Send the rest; return the status of the answer."""
        self._connection.send(self._rest)
        status = self._connection.getresponse().status
        self._connection.close()
        return status


def test_a_rollout_breaks_no_stream_and_shows_no_503(server: RuntimeServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Other clients go on asking over connections that they keep, until their endpoints have followed the probe.

    One is still sending its request when all others have been answered and new requests are no longer taken.
    """
    streams = [Stream(server) for _ in range(STREAMS)]
    followed = threading.Event()
    statuses: list[int] = []
    closed: list[str] = []

    def keep_asking() -> None:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=120)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        while not followed.is_set():
            connection.request("POST", "/v1/completions", json.dumps({**LONG, "max_tokens": 1}), headers)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
            closed.append(answer.getheader("Connection", ""))

    with ThreadPoolExecutor(STREAMS + 4) as pool:
        whole = [pool.submit(stream.read) for stream in streams]
        assert all(stream.begun.wait(60) for stream in streams)
        others = [pool.submit(keep_asking) for _ in range(4)]
        while not statuses:
            time.sleep(0.01)
        slow = HalfSent(server)
        server.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        while server.ask("/readyz").status == 200:
            assert time.monotonic() - told < 5
        not_ready = time.monotonic() - told
        time.sleep(1)  # what kube-proxy needs
        followed.set()
        for other in others:
            other.result()
        broken = sum(not each.result() for each in whole)
    time.sleep(max(0, told + DRAIN_DELAY + 1 - time.monotonic()))
    slow_status = slow.end()
    assert server.process.wait(60) == 0
    with capsys.disabled():
        print(
            f"\ndrain: {STREAMS} open streams, {broken} broken; not ready after {not_ready * 1000:.0f} ms; "
            f"{len(statuses)} requests of others meanwhile, {sum(code != 200 for code in statuses)} refused"
        )
    assert broken == 0
    assert (set(statuses), slow_status) == ({200}, 200)
    assert closed[-1] == "close"
    assert server.left_over() == []
