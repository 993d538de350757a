"""Turns what vLLM raises into a reason and a remedy: it reads messages, because vLLM has no types for these."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kaito.runtime.failure import FatalError, Reason

_MEMORY = "Lower --max-model-len or --gpu-memory-utilization, choose a bigger instance type, or a smaller model."
_RULES: tuple[tuple[str, Reason, str], ...] = (
    (
        r"KV cache.*(larger|more|bigger) than|max seq len.*KV cache|User-specified max_model_len",
        "ContextTooLong",
        "Lower --max-model-len (vllm.max-model-len in the inference config), or set it to `auto`.",
    ),
    (
        r"out of memory|OutOfMemory|(Cannot|can't) allocate|No available memory|MemoryError|bad_alloc|Free memory on",
        "NotEnoughMemory",
        _MEMORY,
    ),
    (
        r"not appear to have a file|not a valid model id|Repository ?Not ?Found|LocalEntryNotFound|couldn't connect",
        "ModelNotFound",
        "Check the model's name, its revision and the access token, and that the hub can be reached from the pod.",
    ),
    (
        r"safetensors|SafetensorError|size mismatch|no tensor|weight.*not (found|initialized)|JSONDecodeError",
        "ModelInvalid",
        "The weights are damaged or belong to another model: download or make them again.",
    ),
    (
        r"Model architectures .* are not supported|not supported for now",
        "ModelInvalid",
        "This vLLM cannot serve this architecture.",
    ),
)


@contextmanager
def start_failures(cause: Callable[[], str]) -> Iterator[None]:
    """Make a failure with a remedy of whatever vLLM raises in here. `cause` returns what its processes recorded."""
    try:
        yield
    except FatalError:
        raise
    except Exception as error:
        raise engine_failure(error, cause()) from error


def engine_failure(error: BaseException, cause: str) -> FatalError:
    """Return the failure for an error while vLLM started. `cause` is what its own process recorded."""
    text = cause or f"{type(error).__name__}: {error}"
    for pattern, reason, remedy in _RULES:
        if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            return FatalError(reason, f"vLLM did not start. {first_sentences(text)}", remedy=remedy)
    return FatalError(
        "EngineFailed",
        f"vLLM did not start. {first_sentences(text)}",
        remedy="The lines of the log before this one have vLLM's own account.",
    )


def first_sentences(text: str, limit: int = 600) -> str:
    """Return an error's text on one line, cut at `limit` characters, ending with a full stop."""
    line = " ".join(text.split())
    line = line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    return line if line.endswith((".", "…", "!")) else line + "."
