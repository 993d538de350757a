"""What vLLM is started with: the command line, the config file, the machine and the weights, made into one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kaito.runtime.adapters.sizing import LoraSize
from kaito.runtime.config.config_file import ConfigFile
from kaito.runtime.config.environment import missing, serving_environment
from kaito.runtime.config.flags import Flag, Flags
from kaito.runtime.config.hardware import Hardware
from kaito.runtime.config.options import ServeOptions
from kaito.runtime.config.policy import check_policy
from kaito.runtime.failure import FatalError
from kaito.runtime.weights import Weights

GIB = 2**30

KV_CACHE_BYTES = GIB
"""KV cache on a CPU where nothing else is said; small enough for a laptop."""

STAND_IN_KV_CACHE_BYTES = GIB // 4
"""KV cache of a stand-in: two contexts of 128k at 1 KiB per token."""

_GPU_ONLY = (
    "gpu-memory-utilization",
    "kv-cache-dtype",
    "cpu-offload-gb",
    "enable-sleep-mode",
    "tensor-parallel-size",
    "pipeline-parallel-size",
    "data-parallel-size",
    "performance-mode",
)
_COMPILATION = ("enforce-eager", "no-enforce-eager", "compilation-config", "optimization-level")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmMgGtT]?)")
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - the contract: all addresses unless told otherwise


@dataclass(frozen=True)
class EffectiveConfig:
    """How vLLM is started. `flags` is its command line; `remarks` says in sentences what was changed and why.

    `lora_assumed`: LoRA was turned on because adapters may come; no flag asked for it.
    """

    flags: Flags
    environment: Mapping[str, str]
    remarks: tuple[str, ...]
    names: tuple[str, ...]
    accelerator: bool = False
    lora_assumed: bool = False

    def without_lora(self) -> "EffectiveConfig":
        """Return the same for a model that takes no adapters; it is served without room for them."""
        remark = "LoRA is off: vLLM has none for this architecture"
        flags = self.flags.without("enable-lora", "max-lora-rank", "max-loras", "max-cpu-loras")
        return replace(self, flags=flags, remarks=(*self.remarks, remark), lora_assumed=False)

    @property
    def lora_rank(self) -> int:
        """The largest rank an adapter may have; 0 without LoRA. vLLM's default is 16."""
        return _whole(self.flags.value("max-lora-rank"), 16) if self.flags.get("enable-lora") else 0


def effective_config(
    options: ServeOptions,
    file: ConfigFile,
    hardware: Hardware,
    weights: Weights,
    *,
    lora: LoraSize | None = None,
    environment: Mapping[str, str],
) -> EffectiveConfig:
    """Put together what vLLM is started with. Pure.

    The config file beats the command line, as upstream's does. `lora` is the room for adapters where any may come:
    LoRA is turned on for them where no flag decides it. Raises InvalidFlag, InvalidConfigFile and NotEnoughMemory.
    """
    check_policy(options.vllm, file, environment)
    remarks = [*options.remarks, *file.remarks]
    flags = options.vllm.replace(*file.flags)
    flags = flags.default(Flag("shutdown-timeout", (str(int(options.grace_seconds)),)), Flag("no-use-tqdm-on-load"))
    names = _served_names(flags, weights)
    flags = flags.replace(Flag("served-model-name", names)) if names else flags
    assumed = lora is not None and flags.get("enable-lora", "no-enable-lora") is None
    if lora is not None:
        flags = _with_lora(flags, lora, remarks)
    if not hardware.accelerator:
        flags = _for_cpu(flags, hardware, weights, remarks)
        _check_memory(flags, hardware, weights)
    own = (
        Flag("model", (options.model,)),
        Flag("host", (options.host or _EVERYWHERE,)),
        Flag("port", (str(options.port),)),
    )
    variables = serving_environment(hardware)
    return EffectiveConfig(
        Flags((*own, *flags)), missing(variables, environment), tuple(remarks), names, hardware.accelerator, assumed
    )


def _served_names(flags: Flags, weights: Weights) -> tuple[str, ...]:
    """Return the names of the base model. The Workspace's own is not among them: it asks all adapters together."""
    given = flags.get("served-model-name")
    own = {"stand-in": (weights.preset,), "hub": (weights.source,)}  # a folder's name says nothing
    return given.values if given else own.get(weights.kind, ())


def _with_lora(flags: Flags, size: LoraSize, remarks: list[str]) -> Flags:
    """Turn LoRA on and give it room, as far as no flag says how much."""
    if flags.get("no-enable-lora") is not None:
        return flags
    if flags.get("enable-lora") is None:
        remarks.append(f"LoRA is on: adapters may come, up to rank {size.rank} and {size.slots} at a time")
    slots = _whole(flags.value("max-loras"), size.slots)
    return flags.default(
        Flag("enable-lora"),
        Flag("max-lora-rank", (str(size.rank),)),
        Flag("max-loras", (str(slots),)),
        Flag("max-cpu-loras", (str(max(size.cpu_slots, slots)),)),
    )


def _whole(given: str | None, otherwise: int) -> int:
    """Return a flag's number. What is no number is left to vLLM, which refuses it by the flag's name."""
    try:
        return int(given or otherwise)
    except ValueError:
        return otherwise


def _for_cpu(flags: Flags, hardware: Hardware, weights: Weights, remarks: list[str]) -> Flags:
    dropped = [flag for flag in flags if flag.name in _GPU_ONLY]
    if dropped:
        remarks.append(f"no GPU here: {', '.join('--' + flag.name for flag in dropped)} left out")
    flags = flags.without(*_GPU_ONLY)
    asked = flags.value("dtype") or "auto"
    dtype = "bfloat16" if hardware.bfloat16 and weights.kind != "stand-in" else "float32"
    if asked not in {dtype, "float", "float32"}:
        remarks.append(f"no GPU here: --dtype {asked} becomes {dtype}, which this CPU computes best")
        flags = flags.replace(Flag("dtype", (dtype,)))
    flags = flags.default(Flag("kv-cache-memory-bytes", (str(_kv_cache(weights)),)))
    if flags.get(*_COMPILATION) is None:
        flags = flags.default(Flag("enforce-eager"))
        remarks.append(
            "no GPU here: --enforce-eager added; compiling takes longer than it saves and needs a C++ compiler"
        )
    return flags


def _kv_cache(weights: Weights) -> int:
    return STAND_IN_KV_CACHE_BYTES if weights.kind == "stand-in" else KV_CACHE_BYTES


def _check_memory(flags: Flags, hardware: Hardware, weights: Weights) -> None:
    """Refuse weights that cannot fit into main memory, before minutes are spent on finding out."""
    cache = _bytes(flags.value("kv-cache-memory-bytes") or "") or _kv_cache(weights)
    loaded = weights.total_bytes * (2 if _widened(flags, weights) else 1)
    if 0 < hardware.available_memory < loaded + cache:
        raise FatalError(
            "NotEnoughMemory",
            f"The weights need {loaded / GIB:.1f} GiB and the KV cache {cache / GIB:.1f} GiB, "
            f"but only {hardware.available_memory / GIB:.1f} GiB of memory are available.",
            remedy="Use a machine with more memory, a smaller model, or the stand-in (kaito up --weights stand-in).",
        )


def _widened(flags: Flags, weights: Weights) -> bool:
    """Say whether weights of 16 bits are loaded as 32. Quantized ones stay as they are packed."""
    stored = weights.config.get("dtype") or weights.config.get("torch_dtype")  # transformers 5 and before
    packed = "quantization_config" in weights.config
    return flags.value("dtype") in {"float", "float32"} and stored in {"bfloat16", "float16"} and not packed


def _bytes(text: str) -> int | None:
    """Return a size as vLLM reads it (`1g` is 10^9, `1G` is 2^30); None for what it refuses."""
    size = _SIZE.fullmatch(text)
    if size is None:
        return None
    number, suffix = size.groups()
    base = 1024 if suffix.isupper() else 1000
    return int(float(number) * base ** " kmgt".index(suffix.lower())) if suffix else int(float(number))
