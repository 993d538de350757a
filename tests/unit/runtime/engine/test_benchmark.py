import json

import pytest

from kaito.runtime.engine.benchmark import FAILED, Load, benchmark, load_for
from kaito.runtime.front import asgi


@pytest.mark.parametrize(
    ("context", "slots", "cache", "load"),
    [
        (131072, 256, 100_000, Load(2048, 256, 43, 60)),
        (131072, 8, 100_000, Load(2048, 256, 8, 60)),
        (512, 8, 100, Load(455, 56, 1, 60)),
        (4, 8, 100, Load(2, 1, 8, 60)),
    ],
)
def test_upstream_s_load_is_made_to_fit(context: int, slots: int, cache: int, load: Load) -> None:
    assert load_for(context, slots, cache, 60) == load
    assert load.input_tokens + load.output_tokens < context


class Clock:
    """Time that passes when a token comes."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def measure(*, status: int = 200) -> list[str]:
    clock = Clock()
    lines: list[str] = []

    async def engine(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        asked = json.loads(await asgi.read_body(receive))
        await send({"type": "http.response.start", "status": status, "headers": []})
        clock.now += 1.0
        for _ in range(asked["max_tokens"]):
            await send({"type": "http.response.body", "body": b"data: {}\n\n", "more_body": True})
            clock.now += 0.5
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    load = Load(input_tokens=10, output_tokens=3, concurrency=1, seconds=5)
    scope = asgi.own_scope("127.0.0.1", 5000)
    await benchmark(engine, scope, "phi", load, clock=clock, now=lambda: "2026-01-01T00:00:00Z", write=lines.append)
    return lines


async def test_the_lines_are_those_that_kaito_s_controller_looks_for() -> None:
    config, result = await measure()
    assert config.startswith("KAITO_BENCHMARK_CONFIG {")
    marker, when, figures = result.split(" ", 2)
    assert (marker, when) == ("KAITO_BENCHMARK_RESULT", "2026-01-01T00:00:00Z")
    # two requests of 13 tokens in 5 seconds; the first token after 1 s, two more in 1.5 s
    assert json.loads(figures) == {"vllm_total_tpm": 312.0, "ttft_avg_ms": 1000.0, "tpot_avg_ms": 750.0}


async def test_what_could_not_be_measured_is_minus_one() -> None:
    assert json.loads((await measure(status=503))[1].split(" ", 2)[2]) == FAILED


async def measure_one(chunks: list[bytes], error: Exception | None = None) -> dict[str, float]:
    """Return the figures of an engine that answers its first request with these chunks, and then fails or ends."""
    clock = Clock()
    lines: list[str] = []

    async def engine(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for chunk in chunks:
            clock.now += 1.0
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if error:
            raise error
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    load = Load(input_tokens=10, output_tokens=3, concurrency=2, seconds=5)
    scope = asgi.own_scope("127.0.0.1", 5000)
    await benchmark(engine, scope, "phi", load, clock=clock, now=lambda: "2026-01-01T00:00:00Z", write=lines.append)
    figures: dict[str, float] = json.loads(lines[-1].removeprefix("KAITO_BENCHMARK_RESULT ").split(" ", 1)[1])
    return figures


@pytest.mark.parametrize(
    "chunks",
    [
        [b'data: {"error": {"message": "The queue is full."}}\n\n'],
        [b'data: {"choices": []}\n\n', b'data: {"error":{"message": "The engine ended."}}\n\ndata: [DONE]\n\n'],
        [],
    ],
)
async def test_an_answer_that_ends_in_an_error_or_has_no_token_counts_for_nothing(chunks: list[bytes]) -> None:
    assert await measure_one(chunks) == FAILED


async def test_the_result_is_written_though_the_application_fails() -> None:
    assert await measure_one([b'data: {"choices": []}\n\n'], RuntimeError("unheard of")) == FAILED
