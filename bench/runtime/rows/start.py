"""From spawn to the first answer, and the memory then; each server alone, in turns."""

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from bench.rows.row import Figures, Medians, Row, Run, Verdict, at_most
from bench.runtime.device import Device
from bench.runtime.interval import order
from bench.runtime.models import Shape
from bench.runtime.servers import Server, Setting
from bench.runtime.tree import MIB
from bench.runtime.workbench import lora_flags, workbench

PEERS: Final = ("kaito", "plain")
EARLY: Final = ("/readyz", "/metrics")


def once(peer: str, setting: Setting) -> Figures:
    """Start a server, and end it again. Requests of 16 tokens are answered before the memory is read."""
    found: Figures = {}
    server = Server(peer, setting)

    def look(path: str) -> None:
        found[f"first {path} s"] = server.first(path)

    lookers = [threading.Thread(target=look, args=(path,)) for path in EARLY]
    try:
        for looker in lookers:
            looker.start()
        found["first completion s"] = server.wait_answer()
        for looker in lookers:
            looker.join()
        found["CPU s of the start"] = server.cpu_seconds()
        for _ in range(20):
            server.ask("/v1/completions", {"model": "base", "prompt": "Hello", "max_tokens": 16, "ignore_eos": True})
        return {**found, **{f"{name} MB": value * MIB / 1e6 for name, value in server.memory_mib().items()}}
    finally:
        server.stop()


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Start each once unmeasured, so that files are cached, then in turns."""
    with workbench(device, shape) as bench:
        setting = bench.setting(lora=lora_flags(slots=2, rank=device.adapter_rank, spare=2))
        for number in range(rounds + 1):
            for peer in order(peers, number):
                figures = once(peer, setting)
                if number:
                    yield Run(peer, number, figures)


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own, plain = found.get("kaito", {}), found.get("plain", {})

    def more(figure: str) -> float | None:
        return own[figure] - plain[figure] if figure in own and figure in plain else None

    return [
        *(at_most(f"{path} answers within 2 s", own.get(f"first {path} s"), 2, " s") for path in EARLY),
        at_most("start to the first completion at most 1 s more than plain", more("first completion s"), 1, " s"),
        at_most("PSS of the process tree at most 30 MB more than plain", more("PSS MB"), 30, " MB"),
    ]


def row(device: Device, shape: Shape) -> Row:
    """Return the row."""
    return Row(
        "start",
        f"start and memory ({shape.name} model), after one start of each that was not measured",
        PEERS,
        partial(run, device, shape),
        verdicts,
    )
