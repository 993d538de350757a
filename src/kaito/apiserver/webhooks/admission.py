"""Runs a write until it has every answer that it needs."""

import asyncio
import copy
import random
from collections.abc import Callable
from typing import Final, TypeVar

from kaito.apiserver import status
from kaito.apiserver.registry import Registry
from kaito.apiserver.store import Store
from kaito.apiserver.webhooks.call import Caller
from kaito.apiserver.webhooks.gate import Gate
from kaito.apiserver.webhooks.question import ReviewNeededError
from kaito.apiserver.webhooks.registered import Registered
from kaito.core.errors import ApiError
from kaito.core.objects import Object

B = TypeVar("B")
R = TypeVar("R")

_MOST_RUNS: Final = 100
"""One per mutating webhook, one for all validating ones, and more where other writes come between."""


class WebhookAdmission:
    """Asks the registered webhooks about writes."""

    def __init__(self, store: Store, registry: Registry, chance: random.Random) -> None:
        self._registered = Registered(store)
        self._registry = registry
        self._chance = chance
        self._caller = Caller(store)

    async def close(self) -> None:
        """Close the connections to webhooks."""
        await self._caller.close()

    async def run(self, user: Object, verb: Callable[[Gate | None, B], R], body: B) -> tuple[R, tuple[str, ...]]:
        """Run a verb with a body, as often as it takes; return its outcome and the webhooks' warnings.

        Raises ApiError: what the verb refuses, or a webhook does; with the warnings, as kube-apiserver sends them then
        too.
        """
        if not self._registered.any():
            return verb(None, body), ()
        gate = Gate(self._registered, self._registry, user, self._chance.getrandbits(64))
        for _ in range(_MOST_RUNS):
            gate.restart()
            try:
                return verb(gate, copy.deepcopy(body)), tuple(gate.warnings)
            except ApiError as error:
                error.warnings = tuple(gate.warnings)
                raise
            except ReviewNeededError as needed:
                answers = await asyncio.gather(*(self._caller.ask(question) for question in needed.questions))
                gate.answers.update(
                    (question.digest, answer) for question, answer in zip(needed.questions, answers, strict=True)
                )
        raise status.internal("the object changes faster than admission webhooks can be asked about it")
