"""Whether a request may go to the engine now. Pure; asked before the first byte: no refusal hides in a 200."""

from typing import NamedTuple

from kaito.runtime.front.errors import Refused, refused

RETRY_SECONDS = 1
"""`Retry-After` of a request refused because too many are here: a slot is free again with the next finished answer."""

_RETRY = {"Retry-After": str(RETRY_SECONDS)}
_BUSY = (
    "The engine is currently busy and cannot accept new requests. Please try again later or on a different instance."
)


class Limits(NamedTuple):
    """What bounds the requests. `slots` is vLLM's `max_num_seqs`; 0 turns KAITO's guard off. None: no such bound."""

    slots: int = 0
    requests: int | None = None
    tokens: int | None = None


class EngineLoad(NamedTuple):
    """What the engine has: sequences that wait, sequences in all, and tokens of prompts without a first answer."""

    waiting: int = 0
    unfinished: int = 0
    queued_tokens: int = 0


class Crowd(NamedTuple):
    """Who is here: requests in all, those of the one who asks, and how many models have any (the asker's included)."""

    pending: int
    mine: int
    models: int


def admission(limits: Limits, engine: EngineLoad, crowd: Crowd) -> Refused | None:
    """Return the refusal, or None to let the request in.

    vLLM's own bounds (`--max-num-queued-reqs`, `--max-num-queued-tokens`) first, with vLLM's status. Then KAITO's
    guard: refused when more than `max_num_seqs` wait. Its place is shared among the models that are being asked: who
    has less than its share is let in even then, and who has more leaves half of the queue to the others, so that one
    adapter's flood neither shuts out the rest nor lets it wait behind a full queue.
    """
    if limits.requests is not None and max(engine.unfinished, crowd.pending) >= limits.requests:
        return refused(503, "overloaded", _BUSY, reason="max_num_queued_reqs", headers=_RETRY)
    if limits.tokens is not None and engine.queued_tokens >= limits.tokens:
        return refused(503, "overloaded", _BUSY, reason="max_num_queued_tokens", headers=_RETRY)
    if not limits.slots:
        return None
    waiting = max(engine.waiting, crowd.pending - limits.slots)
    if crowd.models > 1:
        share = max(1, 2 * limits.slots // crowd.models)
        room = limits.slots // 2
        return _rate_limited(limits.slots) if crowd.mine >= share and waiting > room else None
    return _rate_limited(limits.slots) if waiting > limits.slots else None


def _rate_limited(slots: int) -> Refused:
    """Return KAITO's answer; type and code are upstream's own."""
    error = {
        "message": f"Too many requests: more than {slots} are waiting for the model. Please try again later.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    return Refused(429, "rate_limit", {"error": error}, _RETRY)
