"""Requests for four adapters at once: our own sizing beside vLLM's defaults, which upstream leaves as they are."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from bench.rows.row import Figures, Medians, Run, Verdict
from bench.runtime.clients import Clients, clients
from bench.runtime.device import Device
from bench.runtime.interval import order
from bench.runtime.models import Shape
from bench.runtime.rows.cost import PAIRS
from bench.runtime.rows.paired import Paired, PairedRow
from bench.runtime.servers import Server, running
from bench.runtime.workbench import lora_flags, workbench

PEERS: Final = ("kaito", "upstream's defaults")
ADAPTERS: Final = 4
REQUESTS: Final = 16


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Ask both servers in turns. Ours is told nothing about sizes."""
    with workbench(device, shape) as bench, clients() as asking:
        adapters = {f"adapter-{seed}": bench.adapter(str(seed), seed=seed) for seed in range(ADAPTERS)}
        plain = bench.setting(lora=lora_flags(slots=1, rank=device.adapter_rank))
        own = bench.with_adapters(bench.setting(), adapters)
        settings = {PEERS[0]: own, PEERS[1]: replace(plain, modules=own.modules)}
        with running(peers, settings) as servers:
            for server in servers.values():
                once(server, list(adapters), asking)
            for number in range(1, rounds * PAIRS // 2 + 1):
                for peer in order(peers, number):
                    yield Run(peer, number, once(servers[peer], list(adapters), asking))


def once(server: Server, names: Sequence[str], asking: Clients) -> Figures:
    """Ask 16 requests of 32 tokens at once, each adapter in its turn."""
    before = server.cpu_seconds()
    asked = asking.ask(f"{server.url}/v1/completions", _bodies(names), concurrency=REQUESTS, requests=REQUESTS)
    if asked.failed():
        raise RuntimeError(f"{server.peer}: {asked.failed()} of {REQUESTS} requests failed")
    return {"wall s": asked.seconds, "CPU s": server.cpu_seconds() - before}


def _bodies(names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"model": names[number % len(names)], "prompt": f"{number:02d} Tell me.", "max_tokens": 32, "ignore_eos": True}
        for number in range(REQUESTS)
    ]


def verdicts(_: Medians) -> list[Verdict]:
    """Nothing beside the ratios."""
    return []


def row(device: Device, shape: Shape) -> PairedRow:
    """Return the row."""
    return PairedRow(
        "mixed",
        f"{REQUESTS} requests of 32 tokens at once for {ADAPTERS} adapters ({shape.name} model): sized by the adapters "
        "found, and with --max-loras 1 --max-cpu-loras 1",
        PEERS,
        partial(run, device, shape),
        verdicts,
        (Paired("wall s", *PEERS, 0.5, 0.5), Paired("CPU s", *PEERS)),
    )
