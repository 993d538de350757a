"""What comes out of the engine, seen in passing: the evidence that it lives, and how many sequences wait in it."""

from typing import Any

from kaito.runtime.front import EngineLoad


class Pulse:
    """Counts the engine's steps. Every step reports, a chunk of a long prompt too, though no client gets a token by it.

    `engine` is vLLM's `AsyncLLM`; what it reads its engine's reports with is wrapped, at the cost of one call a step.
    """

    def __init__(self, engine: Any, *, count_tokens: bool = False) -> None:
        self.steps = 0
        self._engine = engine
        self._count_tokens = count_tokens
        self._waiting: dict[int, int] = {}
        core = engine.engine_core
        read = core.get_output_async

        async def counted() -> Any:
            outputs = await read()
            self.steps += 1
            if outputs.scheduler_stats is not None:
                self._waiting[outputs.engine_index] = outputs.scheduler_stats.num_waiting_reqs
            return outputs

        core.get_output_async = counted

    def load(self) -> EngineLoad:
        """Return what the engine has to do. What waits was true at its last step; it is never more than there is."""
        unfinished = self._engine.get_num_unfinished_requests()
        waiting = min(sum(self._waiting.values()), unfinished)
        tokens = self._engine.get_num_queued_tokens() if self._count_tokens else 0
        return EngineLoad(waiting=waiting, unfinished=unfinished, queued_tokens=tokens)
