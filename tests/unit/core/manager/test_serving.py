"""What a manager serves, where, and to whom."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from kaito.core import ConnectionLostError, KaitoError, log_level, set_log_level
from kaito.core.certificates import signing
from kaito.core.manager.access import AccessFilter
from kaito.core.manager.serving import MetricsServer, Serving
from kaito.testing import VirtualClock

CHECKS = {"a": lambda: "a secret reason", "ping": str}


class Reviews:
    """An API server that knows tokens, and what their owners may see."""

    def __init__(self):
        self.asked, self.down = [], False
        self.users, self.allowed = {"good": "alice", "poor": "bob"}, {("alice", "get", "/metrics")}

    async def create(self, review):
        if self.down:
            raise ConnectionLostError("no route")
        self.asked.append(review["kind"])
        spec = review["spec"]
        if review["kind"] == "TokenReview":
            name = self.users.get(spec["token"])
            user = {"username": name, "groups": ["g"]}
            return {"status": {"authenticated": True, "user": user} if name else {"authenticated": False}}
        assert spec["groups"] == ["g"]
        path = spec["nonResourceAttributes"]
        return {"status": {"allowed": (spec["user"], path["verb"], path["path"]) in self.allowed}}


@pytest.fixture
def reviews():
    return Reviews()


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
async def serve(reviews, clock):
    """Start a server; returns how to ask it: method and path, to status and text."""
    registry = CollectorRegistry()
    Gauge("answer", "To all questions.", registry=registry).set(42)
    started = []

    async def start(address="127.0.0.1:0", healthy=CHECKS, ready=CHECKS, **options):
        server = MetricsServer(
            address,
            registry,
            healthy,
            ready,
            clock=clock,
            serving=Serving(**options),
            access=AccessFilter(reviews, clock),
        )
        started.append(server)
        await server.start()

        async def ask(path, method="GET", token="", body=None, port=None, trust=None):
            scheme = "https" if options.get("tls") else "http"
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with (
                aiohttp.ClientSession() as session,
                session.request(
                    method,
                    f"{scheme}://127.0.0.1:{port or server.port}{path}",
                    headers=headers,
                    data=body,
                    ssl=trust if trust is not None else False,
                ) as answer,
            ):
                return answer.status, await answer.text()

        ask.server = server
        return ask

    yield start
    for server in started:
        await server.stop()


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/healthz", 500, "[-]a failed: reason withheld\n[+]ping ok\ncheck failed\n"),
        ("/healthz/", 500, "[-]a failed: reason withheld\n[+]ping ok\ncheck failed\n"),
        ("/healthz?exclude=a", 200, "ok"),
        ("/healthz?exclude=a&exclude=nonsense&verbose", 200, "[+]a excluded: ok\n[+]ping ok\ncheck passed\n"),
        ("/healthz?verbose=true&exclude=a", 200, "[+]a excluded: ok\n[+]ping ok\ncheck passed\n"),
        ("/healthz/ping", 200, "ok"),
        ("/healthz/ping?verbose", 200, "[+]ping ok\ncheck passed\n"),
        ("/healthz/a", 500, "[-]a failed: reason withheld\ncheck failed\n"),
        ("/healthz/nothing", 404, None),
        ("/healthz/ping/more", 404, None),
        ("/readyz", 200, "ok"),
        ("/readyz?verbose", 200, "[+]ping ok\ncheck passed\n"),
        ("/readyz/ping", 200, "ok"),
        ("/nothing", 404, None),
    ],
)
async def test_probes_are_answered_as_the_api_server_answers_them(serve, path, status, text):
    ask = await serve(ready={})
    answered, said = await ask(path)
    assert answered == status
    assert text is None or said == text


async def test_metrics_are_served_as_text_for_prometheus(serve):
    status, text = await (await serve())("/metrics")
    assert (status, "answer 42.0" in text) == (200, True)


async def test_a_port_in_use_is_a_terminal_error_with_a_remedy(serve):
    ask = await serve()
    with pytest.raises(KaitoError, match="AddressInUse") as caught:
        await serve(f"127.0.0.1:{ask.server.port}")
    assert caught.value.terminal
    assert "--metrics-address" in caught.value.remedy


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", ""])
async def test_an_address_that_is_none_is_named(serve, address):
    with pytest.raises(KaitoError, match="AddressInvalid"):
        await serve(address)


async def test_it_can_be_turned_off(serve):
    ask = await serve("0")
    assert (ask.server.port, ask.server.profiling_port) == (0, 0)


async def test_with_a_self_made_certificate_it_speaks_tls_alone(serve):
    ask = await serve(tls="self-made")
    assert (await ask("/metrics"))[0] == 200
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://127.0.0.1:{ask.server.port}/metrics")


async def test_a_certificate_in_files_is_served_and_a_new_one_after_it(serve, clock, tmp_path):
    def put():
        pair = signing.issue(["127.0.0.1"], datetime.now(UTC), timedelta(days=1))
        (tmp_path / "tls.crt").write_text(pair["certificate"])
        (tmp_path / "tls.key").write_text(pair["key"])
        return ssl.create_default_context(cadata=pair["authority"]["pem"])

    trust = put()
    ask = await serve(tls=tmp_path)
    assert (await ask("/metrics", trust=trust))[0] == 200
    newer = put()
    await clock.advance(10)
    assert (await ask("/metrics", trust=newer))[0] == 200
    with pytest.raises(aiohttp.ClientError):
        await ask("/metrics", trust=trust)


async def test_a_folder_without_a_certificate_is_named_at_the_start(serve, tmp_path):
    with pytest.raises(KaitoError, match="CertificateUnreadable"):
        await serve(tls=tmp_path)


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/metrics", "", 401),
        ("/metrics", "bad", 401),
        ("/metrics", "poor", 403),
        ("/metrics", "good", 200),
        ("/loglevel", "good", 403),
        ("/nothing", "", 401),
        ("/healthz/ping", "", 200),
        ("/readyz/ping", "", 200),
    ],
)
async def test_with_authorization_only_those_who_may_see_metrics_and_everybody_probes(serve, path, token, status):
    ask = await serve(authorize=True, log_level=True)
    answered, text = await ask(path, token=token)
    assert answered == status
    assert not token or token not in text


async def test_a_token_is_remembered_for_a_minute_a_right_for_five_and_a_refusal_for_half_a_minute(
    serve, reviews, clock
):
    ask = await serve(authorize=True)
    for _ in range(3):
        await ask("/metrics", token="good")
    assert reviews.asked == ["TokenReview", "SubjectAccessReview"]
    await clock.advance(60)
    await ask("/metrics", token="good")
    assert reviews.asked[2:] == ["TokenReview"]
    await clock.advance(240)
    await ask("/metrics", token="good")
    assert reviews.asked[3:] == ["TokenReview", "SubjectAccessReview"]
    reviews.asked.clear()
    assert (await ask("/metrics", token="poor"))[0] == 403
    reviews.allowed.add(("bob", "get", "/metrics"))
    await clock.advance(29)
    assert (await ask("/metrics", token="poor"))[0] == 403
    await clock.advance(1)
    assert (await ask("/metrics", token="poor"))[0] == 200
    assert reviews.asked == ["TokenReview", "SubjectAccessReview", "SubjectAccessReview"]


async def test_where_the_api_server_cannot_say_nobody_may(serve, reviews):
    ask = await serve(authorize=True)
    reviews.down = True
    assert (await ask("/metrics", token="good"))[0] == 500


@pytest.fixture
def level_as_before():
    before = log_level()
    yield
    set_log_level(before)


async def test_the_log_level_can_be_changed_while_it_runs(serve, level_as_before):
    ask = await serve(log_level=True)
    assert await ask("/loglevel", "PUT", body='{"level": "error"}') == (200, '{"level": "error"}')
    assert await ask("/loglevel") == (200, '{"level": "error"}')
    for body in ("loud", '{"level": "loud"}', "{}", "[]", ""):
        assert (await ask("/loglevel", "PUT", body=body))[0] == 400
    assert log_level() == "error"


async def test_neither_log_level_nor_profiles_are_served_unless_asked_for(serve):
    ask = await serve()
    for path in ("/loglevel", "/debug/profile", "/debug/tasks", "/debug/memory"):
        assert (await ask(path))[0] == 404


async def test_profiles_have_an_address_of_their_own_on_this_machine_alone(serve, clock):
    ask = await serve("0", profiling_address=":0")
    port = ask.server.profiling_port
    assert ask.server._listeners[0]._host == "127.0.0.1"
    status, text = await ask("/debug/tasks", port=port)
    assert (status, "test_serving.py" in text) == (200, True)
    assert (await ask("/metrics", port=port))[0] == 404


async def test_a_profile_says_where_the_time_went(serve, clock):
    ask = await serve("0", profiling_address="127.0.0.1:0")
    port = ask.server.profiling_port
    first = asyncio.create_task(ask("/debug/profile?seconds=5", port=port))
    while not clock.sleeping:  # noqa: ASYNC110 - a real socket
        await asyncio.sleep(0.01)
    assert (await ask("/debug/profile", port=port))[0] == 409
    await clock.advance(5)
    status, text = await first
    assert (status, "function calls" in text) == (200, True)
    for seconds in ("0", "-1", "61", "nan", "x"):
        assert (await ask(f"/debug/profile?seconds={seconds}", port=port))[0] == 400


async def test_allocations_are_traced_from_the_first_question_to_the_last(serve):
    ask = await serve("0", profiling_address="127.0.0.1:0")
    port = ask.server.profiling_port
    assert "begins" in (await ask("/debug/memory", port=port))[1]
    held = [bytes(100_000)]
    assert "test_serving.py" in (await ask("/debug/memory", port=port))[1]
    assert held
    assert "ended" in (await ask("/debug/memory?stop", port=port))[1]


@asynccontextmanager
async def silent_connection(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_a_client_that_never_finishes_its_request_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr("kaito.core.serving.IDLE_SECONDS", 0.1)
    ask = await serve()
    async with silent_connection(ask.server.port) as (reader, writer):
        writer.write(b"GET /metrics HTTP/1.1\r\nHost:")
        assert await asyncio.wait_for(reader.read(), 10) == b""
