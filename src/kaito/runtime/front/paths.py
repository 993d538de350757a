"""Where a path leads: what needs no key, what makes the engine compute, and what is reached by nobody."""

from kaito.runtime.front import probes

PROBES = frozenset({*probes.LIVE_PATHS, probes.READY_PATH})
"""Never counted, logged, refused, or asked for a key."""

GENERATING = frozenset(
    {
        "/chat",
        "/classify",
        "/cohere/v2/chat",
        "/generative_scoring",
        "/inference/v1/generate",
        "/invocations",
        "/pooling",
        "/rerank",
        "/score",
        "/tokenize",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/chat/completions",
        "/v1/chat/completions/batch",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/messages",
        "/v1/rerank",
        "/v1/responses",
        "/v1/score",
        "/v1/systemone",
        "/v2/embed",
        "/v2/rerank",
    }
)
"""Paths under the limits on requests: `/chat`, `/tokenize`, and whatever of vLLM's gives the engine something to do."""

_CLOSED = frozenset({"/is_scaling_elastic_ep", "/scale_elastic_ep", "/v1/load_lora_adapter", "/v1/unload_lora_adapter"})


def closed(path: str) -> bool:
    """Say whether a path of vLLM's changes the server itself, unchecked: loading adapters from any folder, scaling."""
    return path in _CLOSED or path == "/adapters" or path.startswith("/adapters/")


def below(root: str, path: str) -> str:
    """Return a path without `root`, however often it begins with it; vLLM takes off none that is left.

    Who takes it off once only looks at another path than vLLM's routes, which do the same with what they are given.
    """
    start = 0
    while root and path.startswith(f"{root}/", start):
        start += len(root)
    return path[start:]
