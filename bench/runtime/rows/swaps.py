"""A hundred swaps of one adapter between two versions while eight clients ask it; every answer is looked at."""

import statistics
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.rows.row import Figures, Medians, Row, Run, Verdict, at_most
from bench.runtime.admin import Adapters
from bench.runtime.answers import Change, judge
from bench.runtime.clients import Clients, clients
from bench.runtime.device import Device
from bench.runtime.models import Shape
from bench.runtime.rows.cost import Load, block
from bench.runtime.servers import Server, running
from bench.runtime.workbench import lora_flags, workbench

SWAPS: Final = 100
NAME: Final = "swapped"
PROMPT: Final = "Once more: " + "what answers here, and what does it say of itself? " * 5
"""Longer than a block of the prefix cache, so that a stale block would show."""

BLOCKS: Final = 5
TOKENS: Final = 16


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Swap on one server; CPU of a token before the first swap and after the last of a round."""
    with workbench(device, shape) as bench, clients() as asking:
        versions = {name: bench.adapter(name, seed=seed) for seed, name in enumerate(("A", "B"))}
        setting = bench.setting(lora=lora_flags(slots=2, rank=device.adapter_rank, spare=2))
        with running(peers, dict.fromkeys(peers, setting)) as servers:
            for number in range(1, rounds + 1):
                yield from (Run(peer, number, once(server, versions, asking)) for peer, server in servers.items())


def once(server: Server, versions: dict[str, Path], asking: Clients) -> Figures:
    """Learn what both versions answer, then swap under load."""
    adapters = Adapters(server)
    digests, references = {}, {}
    for version, folder in versions.items():
        adapters.put(version.lower(), folder)
        digests[version] = adapters.ready(version.lower())
        references[version] = _text(server, version.lower())
        adapters.delete(version.lower())
        adapters.gone(version.lower())
    if references["A"] == references["B"]:
        raise RuntimeError("both versions answer the same: nothing can be told")
    adapters.put(NAME, versions["A"])
    adapters.ready(NAME)
    before = _cpu_of_a_token(server, asking)
    load = asking.begin(f"{server.url}/v1/completions", [_body(NAME)], concurrency=8, texts=True)
    changes = [Change(0.0, 0.0, "A")]
    for number in range(SWAPS):
        version = "A" if number % 2 else "B"
        asked = time.monotonic()
        adapters.put(NAME, versions[version])
        adapters.ready(NAME, digests[version])
        changes.append(Change(asked, time.monotonic(), version))
        time.sleep(0.05)
    asked_by_clients = asking.finish(load)
    judged = judge(asked_by_clients.answers, references, changes)
    after = _cpu_of_a_token(server, asking)
    adapters.delete(NAME)
    adapters.gone(NAME)
    took = [1000 * (change.ready - change.asked) for change in changes[1:]]
    return {
        **{f"answers {name}": float(count) for name, count in judged.items()},
        "a swap ms": statistics.median(took),
        "longest swap ms": max(took),
        "CPU ms a token before": before,
        "CPU ms a token after": after,
    }


def _cpu_of_a_token(server: Server, asking: Clients) -> float:
    load = Load("decode", 32, 8, 8, model=NAME)
    blocks = [block(server, load, asking)["decode: CPU ms a request"] for _ in range(BLOCKS + 1)][1:]
    return statistics.median(blocks) / load.tokens


def _text(server: Server, name: str) -> str:
    status, answer = server.ask("/v1/completions", _body(name))
    if status != 200:
        raise RuntimeError(f"{name} was answered {status}: {answer}")
    return str(answer["choices"][0]["text"])


def _body(name: str) -> dict[str, Any]:
    return {"model": name, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    times = own["CPU ms a token after"] / own["CPU ms a token before"] if own else None
    return [
        *(at_most(f"no answer {name}", own.get(f"answers {name}"), 0) for name in ("errors", "mixed", "stale")),
        at_most("CPU of a token after the swaps at most 1.05 times that before", times, 1.05, " times"),
    ]


def row(device: Device, shape: Shape) -> Row:
    """Return the row."""
    return Row(
        "swaps",
        f"{SWAPS} swaps of an adapter under 8 clients, {shape.name} model; figures of {SWAPS} swaps",
        ("kaito",),
        partial(run, device, shape),
        verdicts,
    )
