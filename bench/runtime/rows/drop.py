"""An adapter's folder is renamed into place: the time to its first answer, idle and while 8 clients ask the base."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench.rows.row import Figures, Medians, Row, Run, Verdict, at_most
from bench.runtime.adapters import megabytes
from bench.runtime.clients import Clients, clients
from bench.runtime.device import Device
from bench.runtime.models import Shape
from bench.runtime.servers import MODEL, Server, Setting, running
from bench.runtime.workbench import Workbench, lora_flags, workbench

LIMITS: Final = {"idle": 150.0, "8 clients": 250.0}
"""Milliseconds for 5 MB."""

MORE_MS: Final = 12.0
"""Milliseconds for each further MB."""

DROPS: Final = 5
"""Adapters dropped in one round."""

PROMPT: Final = "Tell me something."
POLL_SECONDS: Final = 0.005


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Drop small and large adapters; their ranks need servers of their own, for a slot is as wide as the widest."""
    with workbench(device, shape) as bench, clients() as asking:
        for rank in device.drop_ranks:
            folder = bench.folder / f"dropped-{rank}"
            folder.mkdir()
            setting = bench.setting(lora=lora_flags(slots=2, rank=rank, spare=2))
            setting = Setting(setting.model, setting.folder, setting.flags, (f"--kaito-adapters-dir={folder}",))
            with running(["kaito"], {"kaito": setting}) as servers:
                drop(bench, servers["kaito"], folder, rank, seed=0)
                for number in range(1, rounds * DROPS + 1):
                    for peer in peers:
                        seed = 2 * number + (peer != "idle")
                        yield Run(peer, number, _under_load(asking, peer, bench, servers["kaito"], folder, rank, seed))


def _under_load(
    asking: Clients, peer: str, bench: Workbench, server: Server, folder: Path, rank: int, seed: int
) -> Figures:
    if peer == "idle":
        return drop(bench, server, folder, rank, seed)
    bodies = [{"model": MODEL, "prompt": f"{number} {PROMPT}", "max_tokens": 32} for number in range(16)]
    load = asking.begin(f"{server.url}/v1/completions", bodies, concurrency=8)
    time.sleep(0.3)
    figures = drop(bench, server, folder, rank, seed)
    if failed := asking.finish(load).failed():
        raise RuntimeError(f"{failed} requests of the base model failed while an adapter came")
    return figures


def drop(bench: Workbench, server: Server, folder: Path, rank: int, seed: int) -> Figures:
    """Rename an adapter into place and ask until it answers. RuntimeError when its answers are not its own."""
    name = f"adapter-{seed}"
    made = bench.adapter(f"{rank}-{name}", seed=seed, rank=rank)
    size = megabytes(made)
    base = _text(server, MODEL)
    begin = time.monotonic()
    made.rename(folder / name)
    while (first := _text(server, name)) is None:
        if time.monotonic() - begin > 60:
            raise RuntimeError(f"an adapter of {size:.0f} MB was not served within a minute:\n{server.log()[-2000:]}")
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - begin
    settled = time.monotonic()
    later = {_text(server, name) for _ in range(3)}
    answer = (time.monotonic() - settled) / 3
    if first == base or later != {first}:
        raise RuntimeError("the first answer of an adapter was the base model's, or not what it answered later")
    (folder / name).rename(made)
    while _text(server, name) is not None:
        time.sleep(POLL_SECONDS)
    figures = {"MB": size, "ms": 1000 * seconds, "of it the answer, as later ones ms": 1000 * answer}
    return {f"rank {rank}: {figure}": value for figure, value in figures.items()}


def _text(server: Server, model: str) -> str | None:
    """Return an answer of two tokens, enough to tell models apart; None where the model is not known."""
    body = {"model": model, "prompt": PROMPT, "max_tokens": 2, "temperature": 0, "ignore_eos": True}
    status, answer = server.ask("/v1/completions", body)
    if status not in (200, 404):
        raise RuntimeError(f"{model} was answered {status}: {answer}")
    return str(answer["choices"][0]["text"]) if status == 200 else None


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    verdicts = []
    for peer, limit in LIMITS.items():
        figures = found.get(peer, {})
        for name in figures:
            if name.endswith(": MB"):
                size, took = figures[name], figures[name.replace(": MB", ": ms")]
                most = limit + max(0.0, size - 5) * MORE_MS
                verdicts.append(at_most(f"{size:.0f} MB, {peer}: first answer within {most:.0f} ms", took, most, " ms"))
    return verdicts


def row(device: Device, shape: Shape) -> Row:
    """Return the row."""
    return Row(
        "drop",
        f"an adapter is renamed into the watched folder, {shape.name} model: time to its first right answer",
        tuple(LIMITS),
        partial(run, device, shape),
        verdicts,
    )
