"""Our `/chat` beside vLLM's own routes on the same server: the same question, the same tokens, in turns."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from bench.rows.row import Figures, Medians, Run, Verdict
from bench.runtime.clients import clients
from bench.runtime.device import Device
from bench.runtime.interval import order
from bench.runtime.models import Shape
from bench.runtime.rows.cost import PAIRS, Load, block
from bench.runtime.rows.paired import MOST, UPPER, Paired, PairedRow
from bench.runtime.servers import MODEL, running
from bench.runtime.workbench import lora_flags, workbench

ROUTES: Final = {"chat": "/chat", "chat-completions": "/v1/chat/completions", "completions": "/v1/completions"}
SIZES: Final = {"1 token": (1, 1), "32 tokens at 8": (32, 8)}


class ChatLoad(Load):
    """The same through `/chat`, whose body is KAITO's. Nothing there says to ignore the end token; see `run`."""

    def bodies(self) -> list[dict[str, Any]]:
        asked = {"model": self.model, "max_new_tokens": self.tokens, "min_new_tokens": self.tokens, "do_sample": False}
        return [{**asked, "prompt": f"{number:02d} Tell me something."} for number in range(16)]


class LongLoad(Load):
    """vLLM's own routes with `min_tokens` in place of `ignore_eos`, and the template's words in a bare prompt."""

    def bodies(self) -> list[dict[str, Any]]:
        found = [{**body, "min_tokens": self.tokens} for body in super().bodies()]
        for body in found:
            del body["ignore_eos"]
            if "prompt" in body:
                body["prompt"] = f"user: {body['prompt']}\nassistant: "
        return found


def load(route: str, size: str, requests: int) -> Load:
    """Return what one route is asked."""
    tokens, concurrency = SIZES[size]
    kind = ChatLoad if route == "chat" else LongLoad
    return kind(size, tokens, concurrency, requests, ROUTES[route])


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Ask the routes of one server in turns."""
    many = dict(zip(SIZES, device.blocks[shape.name], strict=False))
    with workbench(device, shape) as bench, clients() as asking:
        setting = bench.setting(lora=lora_flags(slots=2, rank=device.adapter_rank))
        with running(["kaito"], {"kaito": setting}) as servers:
            server = servers["kaito"]
            for route, size in itertools.product(peers, SIZES):
                block(server, replace(load(route, size, many[size]), requests=16), asking)
            for number in range(1, rounds * PAIRS + 1):
                found: dict[str, Figures] = {route: {} for route in peers}
                for size in SIZES:
                    for route in order(peers, number):
                        found[route] |= block(server, load(route, size, many[size]), asking)
                yield from (Run(route, number, found[route]) for route in peers)


def verdicts(_: Medians) -> list[Verdict]:
    """Nothing beside the ratios."""
    return []


def row(device: Device, shape: Shape) -> PairedRow:
    """Return the row. The fair peer is the chat route: `/chat` renders the same template."""
    return PairedRow(
        "chat",
        f"`/chat` beside vLLM's own routes on one server ({MODEL} model: {shape.name}), equal prompts and lengths",
        tuple(ROUTES),
        partial(run, device, shape),
        verdicts,
        tuple(
            Paired(f"{size}: CPU ms a request", "chat", other, MOST, UPPER)
            for other in ("chat-completions", "completions")
            for size in SIZES
        ),
    )
