"""A thousand adapters come and go: what is left of them in memory and in the engine."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from bench.rows.row import Medians, Row, Run, Verdict, at_most
from bench.runtime.admin import Adapters
from bench.runtime.device import Device
from bench.runtime.models import Shape
from bench.runtime.servers import running
from bench.runtime.workbench import lora_flags, workbench

CYCLES: Final = 1000
WARM_UP: Final = 100
CONTENTS: Final = 8
KEPT: Final = "kept"


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Load, ask and unload beside one that stays. `rounds` changes nothing: a thousand are a thousand."""
    with workbench(device, shape) as bench:
        contents = [bench.adapter(str(seed), seed=seed) for seed in range(CONTENTS + 1)]
        setting = bench.setting(lora=lora_flags(slots=2, rank=device.adapter_rank, spare=2))
        with running(peers, dict.fromkeys(peers, setting)) as servers:
            for peer, server in servers.items():
                adapters = Adapters(server)
                adapters.put(KEPT, contents[-1])
                adapters.ready(KEPT)
                warm, begin = server.memory_mib(), time.monotonic()
                for number in range(WARM_UP + CYCLES):
                    if number == WARM_UP:
                        warm, begin = server.memory_mib(), time.monotonic()
                    name = f"passing-{number}"
                    adapters.put(name, contents[number % CONTENTS])
                    adapters.ready(name)
                    status, _ = server.ask("/v1/completions", {"model": name, "prompt": "Hello", "max_tokens": 1})
                    if status != 200:
                        raise RuntimeError(f"adapter {number} was answered {status}")
                    adapters.delete(name)
                    adapters.gone(name)
                seconds, end = time.monotonic() - begin, server.memory_mib()
                models = server.ask("/v1/models")[1]["data"]  # each adapter twice: as it is named, and name@digest
                served = {model["id"].partition("@")[0] for model in models if model.get("parent")}
                yield Run(
                    peer,
                    1,
                    {
                        "cycles": CYCLES,
                        "a cycle ms": 1000 * seconds / CYCLES,
                        "RSS MiB before": warm["RSS"],
                        "RSS MiB after": end["RSS"],
                        "RSS growth %": 100 * (end["RSS"] / warm["RSS"] - 1),
                        "adapters not wanted, or missing": len(served ^ {KEPT}) + len(adapters.names() ^ {KEPT}),
                        "adapters in the engine": server.metric("kaito_runtime_engine_adapters"),
                    },
                )


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    return [
        at_most("RSS grows by at most 1 %", own.get("RSS growth %"), 1, " %"),
        at_most("what is served is what is wanted (difference)", own.get("adapters not wanted, or missing"), 0),
        at_most("the engine holds the one that stays, and no other", own.get("adapters in the engine"), 1),
    ]


def row(device: Device, shape: Shape) -> Row:
    """Return the row."""
    return Row(
        "cycles",
        f"{CYCLES:,} adapters loaded, asked and unloaded after {WARM_UP} that do not count, {shape.name} model",
        ("kaito",),
        partial(run, device, shape),
        verdicts,
    )
