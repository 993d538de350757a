"""KAITO's measurement of a server, made by the server itself, with the lines that KAITO's controller looks for.

Source of the two markers, the keys and the shape of the load (2,048 tokens in, 256 out): KAITO's benchmark entry point.
"""

import asyncio
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from kaito.runtime.front import asgi

_log = structlog.get_logger("kaito.runtime")

INPUT_TOKENS, OUTPUT_TOKENS = 2048, 256
FAILED = {"vllm_total_tpm": -1, "ttft_avg_ms": -1, "tpot_avg_ms": -1}
"""What upstream prints where nothing could be measured."""

_ERROR = re.compile(rb'^data: *{"error"', re.MULTILINE)
"""How vLLM says in the middle of a stream that no more comes of it. A model's own text has its quotes escaped."""

_TOKEN_IDS = range(100, 250)
"""Every vocabulary has these."""


@dataclass(frozen=True)
class Load:
    """What is asked: tokens in and out of each request, how many at a time, for how long (seconds)."""

    input_tokens: int
    output_tokens: int
    concurrency: int
    seconds: float


def load_for(context: int, slots: int, cache_tokens: int, seconds: float) -> Load:
    """Return upstream's load, made to fit: into the context, the engine's slots and its KV cache (tokens)."""
    output = min(OUTPUT_TOKENS, max(1, context // 9))
    given = min(INPUT_TOKENS, max(1, context - output - 1))
    return Load(given, output, max(1, min(slots, cache_tokens // (given + output))), seconds)


@dataclass
class Measured:
    """What came out. Times in seconds: to the first token, and between two tokens, for each request."""

    tokens: int = 0
    first: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)

    def result(self, seconds: float) -> dict[str, float]:
        """Return upstream's three figures; -1 each where no request was answered."""
        if not self.first or seconds <= 0:
            return dict(FAILED)
        mean_between = sum(self.between) / len(self.between) if self.between else 0.0
        return {
            "vllm_total_tpm": round(self.tokens / seconds * 60, 2),
            "ttft_avg_ms": round(1000 * sum(self.first) / len(self.first), 2),
            "tpot_avg_ms": round(1000 * mean_between, 2),
        }


async def benchmark(
    application: asgi.Application,
    scope: asgi.Scope,
    model: str,
    load: Load,
    *,
    clock: Callable[[], float],
    now: Callable[[], str],
    write: Callable[[str], Any],
) -> None:
    """Ask the application in this process until the time is over; write the two lines. `now` is the time of day."""
    config = {**vars(load), "model": model}
    write(f"KAITO_BENCHMARK_CONFIG {json.dumps(config)}\n")
    measured, begun = Measured(), clock()
    source = random.Random(0)  # noqa: S311 - the same load each time

    async def client() -> None:
        while clock() - begun < load.seconds:
            prompt = source.choices(_TOKEN_IDS, k=load.input_tokens)
            if not await _ask(application, scope, model, prompt, load.output_tokens, measured, clock):
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(load.concurrency):
            group.create_task(client())
    write(f"KAITO_BENCHMARK_RESULT {now()} {json.dumps(measured.result(clock() - begun))}\n")


async def _ask(
    application: asgi.Application,
    scope: asgi.Scope,
    model: str,
    prompt: list[int],
    output_tokens: int,
    measured: Measured,
    clock: Callable[[], float],
) -> bool:
    """Send one streamed request and add it to what was measured. Returns whether it was answered to its end."""
    begun = clock()
    first: float | None = None
    status = 0
    refused = False

    async def take(message: asgi.Message) -> None:
        nonlocal first, status, refused
        content = message.get("body", b"")
        if message["type"] == "http.response.start":
            status = message["status"]
        elif _ERROR.search(content):  # vLLM has sent 200 by then
            refused = True
        elif content and first is None and status == 200:
            first = clock()

    body = {
        "model": model,
        "prompt": prompt,
        "max_tokens": output_tokens,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
    }
    try:
        await asgi.pass_on(application, scope, "POST", "/v1/completions", body, receive=None, send=take)
    except Exception as error:  # noqa: BLE001 - the controller waits for a result, whatever the engine does
        _log.warning("the benchmark was not answered", why=f"{type(error).__name__}: {error}")
        return False
    if first is None or refused:
        return False
    measured.tokens += len(prompt) + output_tokens
    measured.first.append(first - begun)
    if output_tokens > 1:
        measured.between.append((clock() - first) / (output_tokens - 1))
    return True
