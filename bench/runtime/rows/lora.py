"""What those who ask the base model alone pay for LoRA being on: our server with and without --enable-lora."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from bench.rows.row import Medians, Run, Verdict, ratio
from bench.runtime.clients import clients
from bench.runtime.device import Device
from bench.runtime.models import Shape
from bench.runtime.rows.cost import PAIRS, Load, block, loads, one_round
from bench.runtime.rows.paired import Paired, PairedRow
from bench.runtime.servers import MODEL, running
from bench.runtime.workbench import lora_flags, workbench

WITH, WITHOUT = "kaito, LoRA on", "kaito, LoRA off"
SLOTS: Final = 4


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Ask both servers in turns; memory at the end."""
    asked = _loads(device, shape)
    with workbench(device, shape) as bench, clients() as asking:
        settings = {
            WITH: bench.setting(lora=lora_flags(slots=SLOTS, rank=device.adapter_rank)),
            WITHOUT: bench.setting(lora=("--no-enable-lora",)),
        }
        with running(peers, settings) as servers:
            for load in asked:
                for server in servers.values():
                    block(server, load, asking)
            for number in range(1, rounds * PAIRS // 2 + 1):
                found = one_round(servers, asked, asking, number)
                for peer, server in servers.items():
                    memory = {f"{name} MiB": value for name, value in server.memory_mib().items()}
                    yield Run(peer, number, {**found[peer], **memory})


def verdicts(found: Medians) -> list[Verdict]:
    """Say what memory it takes."""
    if WITH not in found or WITHOUT not in found:
        return []
    more = found[WITH]["private MiB"] - found[WITHOUT]["private MiB"]
    times = ratio(found, "private MiB", WITH, WITHOUT)
    return [Verdict("memory of LoRA being on (private pages)", f"{more:+.0f} MiB, {times:.3f} times", None)]


def row(device: Device, shape: Shape) -> PairedRow:
    """Return the row."""
    return PairedRow(
        "lora",
        f"base model alone ({shape.name}), with {SLOTS} slots of rank {device.adapter_rank} for adapters and with none",
        (WITH, WITHOUT),
        partial(run, device, shape),
        verdicts,
        tuple(Paired(f"{load.name}: CPU ms a request", WITH, WITHOUT) for load in _loads(device, shape)),
    )


def _loads(device: Device, shape: Shape) -> list[Load]:
    return [load for load in loads(device, shape) if load.model == MODEL]
