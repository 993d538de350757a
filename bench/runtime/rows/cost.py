"""CPU of a request, ours beside plain vLLM: both servers run, and are asked in turns (A-B-B-A) by the same clients."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from bench.rows.row import Figures, Medians, Run, Verdict, at_most
from bench.runtime.clients import Clients, clients
from bench.runtime.device import Device
from bench.runtime.interval import order
from bench.runtime.models import Shape
from bench.runtime.rows.paired import MOST, UPPER, Paired, PairedRow
from bench.runtime.servers import MODEL, Server, running
from bench.runtime.workbench import lora_flags, workbench

PEERS: Final = ("kaito", "plain")
PAIRS: Final = 5
"""Pairs of blocks in one round of the command line."""

IDLE_LIMIT: Final = 0.05
"""CPU of the server that is not asked, as a part of the other's: more than that, and it is no longer at rest."""


@dataclass(frozen=True)
class Load:
    """What is asked: how long the answers are, how many ask at once, how many requests a block has."""

    name: str
    tokens: int
    concurrency: int
    requests: int
    path: str = "/v1/completions"
    stream: bool = False
    model: str = MODEL

    def bodies(self) -> list[dict[str, Any]]:
        """Return the requests: 16 prompts, none the beginning of another, so that every block finds the same cache."""
        asked = {"model": self.model, "max_tokens": self.tokens, "temperature": 0, "ignore_eos": True}
        return [{**asked, **self._question(f"{number:02d} Tell me something.")} for number in range(16)]

    def _question(self, prompt: str) -> dict[str, Any]:
        if self.path == "/v1/chat/completions":
            return {"messages": [{"role": "user", "content": prompt}]}
        return {"prompt": prompt}


def loads(device: Device, shape: Shape) -> tuple[Load, ...]:
    """Return the loads of the table; blocks of about a second each."""
    one, many, adapted = device.blocks[shape.name]
    return (
        Load("1 token", 1, 1, one),
        Load("32 tokens at 8", 32, 8, many),
        Load("streamed 32 at 8", 32, 8, many, stream=True),
        Load("adapter, 32 at 8", 32, 8, adapted, model="adapter"),
    )


def block(server: Server, load: Load, asking: Clients) -> Figures:
    """Ask one block of requests and return what it cost. RuntimeError when an answer failed."""
    steps = server.engine_steps()
    before, before_api = server.cpu_seconds(), server.api_cpu_seconds()
    asked = asking.ask(
        server.url + load.path,
        load.bodies(),
        concurrency=load.concurrency,
        requests=load.requests,
        stream=load.stream,
    )
    spent, spent_api = server.cpu_seconds() - before, server.api_cpu_seconds() - before_api
    if asked.failed():
        raise RuntimeError(f"{server.peer}: {asked.failed()} of {load.requests} requests failed ({load.name})")
    return {
        f"{load.name}: CPU ms a request": 1000 * spent / load.requests,
        f"{load.name}: of it without the engine": 1000 * spent_api / load.requests,
        f"{load.name}: engine steps a request": (server.engine_steps() - steps) / load.requests,
        f"{load.name}: p50 ms": statistics.median(asked.milliseconds()),
        f"{load.name}: requests/s": load.requests / asked.seconds,
    }


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Start both servers, ask each load once to warm up, then measure."""
    asked = loads(device, shape)
    with workbench(device, shape) as bench, clients() as asking:
        adapters = {"adapter": bench.adapter("adapter", seed=1)}
        setting = bench.with_adapters(
            bench.setting(lora=lora_flags(slots=2, rank=device.adapter_rank, spare=2)), adapters
        )
        with running(peers, dict.fromkeys(peers, setting)) as servers:
            for load in asked:
                for server in servers.values():
                    block(server, load, asking)
            for number in range(1, rounds * PAIRS + 1):
                found = one_round(servers, asked, asking, number)
                yield from (Run(peer, number, found[peer]) for peer in servers)


def one_round(servers: dict[str, Server], asked: Sequence[Load], asking: Clients, number: int) -> dict[str, Figures]:
    """Ask each load of each server once; return the figures by peer, with what each spent while others were asked."""
    found: dict[str, Figures] = {peer: {"idle CPU": 0.0} for peer in servers}
    for load in asked:
        for peer in order(list(servers), number):
            others = {name: server.cpu_seconds() for name, server in servers.items() if name != peer}
            mine = servers[peer].cpu_seconds()
            found[peer] |= block(servers[peer], load, asking)
            mine = servers[peer].cpu_seconds() - mine
            for name, before in others.items():
                part = (servers[name].cpu_seconds() - before) / mine
                found[name]["idle CPU"] = max(found[name]["idle CPU"], part)
    return found


def verdicts(found: Medians) -> list[Verdict]:
    """Say whether the server that was not asked was at rest."""
    idle = max((figures["idle CPU"] for figures in found.values()), default=None)
    return [at_most("the server that is not asked is at rest (part of the other's CPU)", idle, IDLE_LIMIT)]


def row(device: Device, shape: Shape) -> PairedRow:
    """Return the row of a shape."""
    return PairedRow(
        f"cost-{shape.name}",
        f"CPU of a request to the {shape.name} model ({shape.parameters / 1e6:,.2f} M parameters), LoRA on in both, "
        "base model unless said; pairs of blocks",
        PEERS,
        partial(run, device, shape),
        verdicts,
        tuple(Paired(f"{load.name}: CPU ms a request", *PEERS, MOST, UPPER) for load in loads(device, shape)),
    )
