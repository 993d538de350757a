"""The webhook server over TLS: what it answers, and what it does with what is no question."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry, generate_latest

from kaito.core import KaitoError, Status, SystemClock, api_error
from kaito.core.admission import AdmissionRequest, Cause, Verdict, WebhookServer, patch_between
from kaito.core.admission.server import MAX_BODY_BYTES, MAX_SECONDS, seconds_of
from kaito.core.certificates import signing
from kaito.testing import VirtualClock


async def allow(_request: AdmissionRequest) -> Verdict:
    return Verdict(warnings=("two\nlines",))


async def deny(_request: AdmissionRequest) -> Verdict:
    return Verdict.invalid([Cause("a.b", "is wrong. Change it."), Cause("c", "too")])


async def label(request: AdmissionRequest) -> Verdict:
    obj = request.object or {}
    return Verdict(patch=patch_between(obj, {**obj, "labelled": True}))


async def fail(_request: AdmissionRequest) -> Verdict:
    raise RuntimeError("the password is hunter2")


async def hang(_request: AdmissionRequest) -> Verdict:
    await asyncio.Event().wait()
    return Verdict()


async def no(_request: AdmissionRequest) -> Verdict:
    raise KaitoError("Refused", "no")


async def teapot(_request: AdmissionRequest) -> Verdict:
    raise api_error(Status(418, "Teapot", "short and stout"))


async def same(request: AdmissionRequest) -> Verdict:
    return Verdict(patch=patch_between(request.object or {}, dict(request.object or {})))


HANDLERS = {
    "/allow": allow,
    "/deny": deny,
    "/no": no,
    "/teapot": teapot,
    "/label": label,
    "/same": same,
    "/fail": fail,
    "/hang": hang,
}


def context_of(folder: Path) -> tuple[ssl.SSLContext, bytes]:
    generation = signing.issue(["127.0.0.1"], datetime.now(UTC), timedelta(days=1))
    (folder / "pair").write_text(generation["key"] + generation["certificate"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair")
    return context, generation["authority"]["pem"].encode()


class Asking:
    def __init__(self, session: aiohttp.ClientSession, url: str, trust: ssl.SSLContext) -> None:
        self._session, self._url, self._trust = session, url, trust

    async def __call__(self, path: str, body: Any = None, media: str = "application/json") -> tuple[int, Any]:
        data = orjson.dumps(review() if body is None else body) if body is None or isinstance(body, dict) else body
        async with self._session.post(
            self._url + path, data=data, headers={"Content-Type": media}, ssl=self._trust
        ) as response:
            text = await response.read()
            return response.status, orjson.loads(text) if response.content_type == "application/json" else text.decode()


def review(**changes: Any) -> dict[str, Any]:
    request = {
        "uid": "u-1",
        "operation": "CREATE",
        "kind": {"group": "kaito.sh", "version": "v1beta1", "kind": "Workspace"},
        "name": "phi",
        "object": {"metadata": {"name": "phi"}},
        "oldObject": None,
        "unknown": {"field": "of a newer server"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**request, **changes}}


@pytest_asyncio.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Asking]]]:
    """Start a server of all handlers; returns how to ask it."""
    context, authority = context_of(tmp_path)
    trust = ssl.create_default_context(cadata=authority.decode())
    async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as stack:

        async def start(clock: Any = None, **options: Any) -> Asking:
            registry = CollectorRegistry()
            server = WebhookServer("127.0.0.1", 0, context, clock or SystemClock(), registry, **options)
            for path, handler in HANDLERS.items():
                server.register(path, handler)
            running = asyncio.create_task(server.run())
            stack.push_async_callback(ended, running)
            while not server.listening:  # noqa: ASYNC110 - a real socket
                await asyncio.sleep(0)
            asking = Asking(session, f"https://127.0.0.1:{server.port}", trust)
            asking.server, asking.registry, asking.running = server, registry, running
            return asking

        yield start


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()


@pytest_asyncio.fixture
async def ask(serve: Callable[..., Awaitable[Asking]]) -> Asking:
    return await serve()


async def test_an_answer_repeats_the_uid_and_carries_one_line_warnings(ask):
    assert await ask("/allow") == (
        200,
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": "u-1", "allowed": True, "warnings": ["two lines"], "status": {"code": 200}},
        },
    )


async def test_a_refusal_names_each_field_as_a_cause(ask):
    _, answer = await ask("/deny")
    status = answer["response"]["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"] == "a.b: is wrong. Change it.; c: too"
    assert [cause["field"] for cause in status["details"]["causes"]] == ["a.b", "c"]
    assert status["details"]["kind"] == "Workspace"


async def test_a_change_is_sent_as_a_json_patch(ask):
    _, answer = await ask("/label")
    response = answer["response"]
    assert response["patchType"] == "JSONPatch"
    assert orjson.loads(base64.b64decode(response["patch"])) == [{"op": "add", "path": "/labelled", "value": True}]


async def test_a_defect_is_a_500_with_the_uid_that_is_counted_and_tells_no_secret(ask):
    code, answer = await ask("/fail")
    response = answer["response"]
    assert (code, response["allowed"], response["uid"], response["status"]["code"]) == (200, False, "u-1", 500)
    assert "RuntimeError" in response["status"]["message"]
    assert "hunter2" not in str(answer)
    assert ask.registry.get_sample_value("controller_runtime_webhook_panics_total") == 1


async def test_where_defects_are_not_to_be_caught_they_end_the_server(serve):
    ask = await serve(recover=False)
    await ask("/fail")
    with pytest.raises(RuntimeError, match="hunter2"):
        await asyncio.wait_for(ask.running, 5)
    assert not ask.server.listening


@pytest.mark.parametrize(
    ("version", "answered"),
    [
        ("", "admission.k8s.io/v1"),
        ("admission.k8s.io/v1", "admission.k8s.io/v1"),
        ("admission.k8s.io/v1beta1", "admission.k8s.io/v1beta1"),
    ],
)
async def test_a_review_is_answered_in_its_own_version(ask, version, answered):
    _, answer = await ask("/allow", {**review(), "apiVersion": version})
    assert answer["apiVersion"] == answered
    assert answer["kind"] == "AdmissionReview"


async def test_a_refusal_without_a_code_is_a_403_and_a_given_one_stays(ask):
    _, answer = await ask("/no")
    assert answer["response"]["status"] == {"code": 403, "reason": "Forbidden", "message": "no"}
    _, answer = await ask("/teapot")
    assert answer["response"]["status"] == {"code": 418, "reason": "Teapot", "message": "short and stout"}


async def test_what_changes_nothing_has_no_patch(ask):
    _, answer = await ask("/same")
    assert answer["response"].keys() == {"uid", "allowed", "status"}


async def test_a_handler_that_hangs_is_cut_off_in_time(ask):
    _, answer = await ask("/hang?timeout=1s")
    assert "no answer after 1 s" in answer["response"]["status"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "media", "code"),
    [
        ("/nowhere", None, "application/json", 404),
        ("/allow", None, "text/plain", 400),
        ("/allow", b"no json", "application/json", 400),
        ("/allow", b"", "application/json", 400),
        ("/allow", b"[]", "application/json", 400),
        ("/allow", {**review(), "apiVersion": "admission.k8s.io/v9"}, "application/json", 400),
        ("/allow", b'{"request": {"operation": "CREATE"}}', "application/json", 400),
        ("/allow", b'{"request": {"uid": "x", "operation": "STEAL"}}', "application/json", 400),
        ("/allow", b"[" * 200_000, "application/json", 400),
        ("/allow", b" " * (MAX_BODY_BYTES + 1), "application/json", 413),
    ],
)
async def test_what_is_no_question_is_refused_with_its_http_status(ask, path, body, media, code):
    assert (await ask(path, body, media))[0] == code
    assert (await ask("/allow"))[0] == 200


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("", MAX_SECONDS), ("9999s", MAX_SECONDS), ("-1s", MAX_SECONDS), ("1m", MAX_SECONDS)],
)
def test_the_servers_own_patience_is_the_limit(text, seconds):
    assert seconds_of(text) == seconds


async def test_a_port_that_is_taken_is_named_with_the_option(ask, tmp_path):
    context, _ = context_of(tmp_path)
    second = WebhookServer("127.0.0.1", ask.server.port, context, SystemClock(), CollectorRegistry())
    with pytest.raises(KaitoError, match="AddressInUse") as refused:
        await second.start()
    assert "--webhook-port" in refused.value.advice


async def test_the_port_minus_one_serves_nothing(tmp_path):
    context, _ = context_of(tmp_path)
    server = WebhookServer("127.0.0.1", -1, context, SystemClock(), CollectorRegistry())
    running = asyncio.create_task(server.run())
    await asyncio.sleep(0)
    assert (server.port, server.listening, server.unready()) == (0, False, "")
    await ended(running)
    assert running.cancelled()


async def test_one_path_has_one_handler_and_takes_it_after_the_start_too(ask):
    with pytest.raises(KaitoError, match="PathTaken"):
        ask.server.register("/allow", deny)
    assert (await ask("/late"))[0] == 404
    ask.server.register("/late", allow)
    assert (await ask("/late"))[0] == 200


def client_certificate(folder: Path) -> Path:
    """A certificate that is its own authority, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(hours=1))
    certificate = builder.not_valid_after(now + timedelta(hours=1)).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "client"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem))
    return path


async def test_tls_options_are_those_of_the_context(tmp_path):
    """Here: the newest version alone, and only clients whose certificate is known."""
    context, authority = context_of(tmp_path)
    client = client_certificate(tmp_path)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(client)
    context.verify_mode = ssl.CERT_REQUIRED
    server = WebhookServer("127.0.0.1", 0, context, SystemClock(), CollectorRegistry())
    server.register("/allow", allow)
    await server.start()
    known, old, unknown = (ssl.create_default_context(cadata=authority.decode()) for _ in range(3))
    known.load_cert_chain(client)
    old.load_cert_chain(client)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    url = f"https://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession() as session:
        assert (await Asking(session, url, known)("/allow"))[0] == 200
        for trust in (old, unknown):
            with pytest.raises(aiohttp.ClientError):
                await Asking(session, url, trust)("/allow")
    await server.stop()


async def test_requests_are_counted_by_path_and_code(ask):
    await ask("/allow")
    await ask("/allow", b"no json")
    text = generate_latest(ask.registry).decode()
    assert 'controller_runtime_webhook_requests_total{code="200",webhook="/allow"} 1.0' in text
    assert 'controller_runtime_webhook_requests_total{code="400",webhook="/allow"} 1.0' in text
    assert 'controller_runtime_webhook_latency_seconds_count{webhook="/allow"} 2.0' in text
    assert 'controller_runtime_webhook_requests_in_flight{webhook="/allow"} 0.0' in text
    assert "controller_runtime_webhook_panics_total 0.0" in text


async def test_a_caller_that_hangs_up_before_its_answer_leaves_the_server_as_it_was(ask):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ask("/hang")
    assert (await ask("/allow"))[0] == 200


async def test_a_body_that_never_comes_is_not_waited_for(serve):
    clock = VirtualClock()
    ask = await serve(clock)

    async def slow():
        yield b'{"request": '
        await asyncio.Event().wait()

    asking = asyncio.create_task(ask("/allow", slow()))
    while not clock.sleeping:  # noqa: ASYNC110 - a real socket
        await asyncio.sleep(0.01)
    await clock.advance(MAX_SECONDS)
    assert (await asyncio.wait_for(asking, 5))[0] == 408


async def test_told_to_end_it_answers_a_while_longer(serve):
    clock = VirtualClock()
    ask = await serve(clock, linger=5.0)
    ask.running.cancel()
    assert (await ask("/allow"))[0] == 200
    await clock.advance(4.9)
    assert ask.server.listening
    await clock.advance(0.2)
    with pytest.raises(asyncio.CancelledError):
        await ask.running
    assert not ask.server.listening
