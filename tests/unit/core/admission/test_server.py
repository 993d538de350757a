"""The webhook server over TLS: what it answers, and what it does with what is no question."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, generate_latest

from kaito.core import KaitoError, SystemClock
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


HANDLERS = {"/allow": allow, "/deny": deny, "/label": label, "/fail": fail, "/hang": hang}


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
        data = body if isinstance(body, bytes) else orjson.dumps(body or review())
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
async def ask(tmp_path: Path) -> AsyncIterator[Asking]:
    context, authority = context_of(tmp_path)
    server = WebhookServer("127.0.0.1", 0, context, HANDLERS, SystemClock(), CollectorRegistry())
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Asking(session, f"https://127.0.0.1:{server.port}", ssl.create_default_context(cadata=authority.decode()))
    await server.stop()


async def test_an_answer_repeats_the_uid_and_carries_one_line_warnings(ask):
    assert await ask("/allow") == (
        200,
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": "u-1", "allowed": True, "warnings": ["two lines"]},
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


async def test_a_defect_refuses_and_tells_no_secret(ask):
    code, answer = await ask("/fail")
    assert (code, answer["response"]["allowed"]) == (200, False)
    assert "RuntimeError" in answer["response"]["status"]["message"]
    assert "hunter2" not in str(answer)


async def test_a_handler_that_hangs_is_cut_off_in_time(ask):
    _, answer = await ask("/hang?timeout=1s")
    assert "no answer after 1 s" in answer["response"]["status"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "media", "code"),
    [
        ("/nowhere", None, "application/json", 404),
        ("/allow", None, "text/plain", 415),
        ("/allow", b"no json", "application/json", 400),
        ("/allow", b"[]", "application/json", 400),
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


async def test_a_port_that_is_taken_is_named_with_the_option(tmp_path):
    context, _ = context_of(tmp_path)
    first = WebhookServer("127.0.0.1", 0, context, {}, SystemClock(), CollectorRegistry())
    await first.start()
    second = WebhookServer("127.0.0.1", first.port, context, {}, SystemClock(), CollectorRegistry())
    with pytest.raises(KaitoError) as refused:
        await second.start()
    assert "--webhook-port" in refused.value.advice
    await first.stop()


async def test_requests_are_counted_by_path_and_code(tmp_path):
    context, authority = context_of(tmp_path)
    registry = CollectorRegistry()
    server = WebhookServer("127.0.0.1", 0, context, HANDLERS, SystemClock(), registry)
    await server.start()
    trust = ssl.create_default_context(cadata=authority.decode())
    async with aiohttp.ClientSession() as session:
        ask = Asking(session, f"https://127.0.0.1:{server.port}", trust)
        await ask("/allow")
        await ask("/allow", b"no json")
    await server.stop()
    text = generate_latest(registry).decode()
    assert 'controller_runtime_webhook_requests_total{code="200",webhook="/allow"} 1.0' in text
    assert 'controller_runtime_webhook_requests_total{code="400",webhook="/allow"} 1.0' in text


async def test_told_to_end_it_answers_a_while_longer(tmp_path):
    clock = VirtualClock()
    context, authority = context_of(tmp_path)
    server = WebhookServer("127.0.0.1", 0, context, HANDLERS, clock, CollectorRegistry(), linger=5.0)
    running = asyncio.create_task(server.run())
    while not server.listening:
        await clock.advance(0.0)
    running.cancel()
    trust = ssl.create_default_context(cadata=authority.decode())
    async with aiohttp.ClientSession() as session:
        ask = Asking(session, f"https://127.0.0.1:{server.port}", trust)
        assert (await ask("/allow"))[0] == 200
    await clock.advance(4.9)
    assert server.listening
    await clock.advance(0.2)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not server.listening
