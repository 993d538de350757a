"""The stages of a server, as a pure state machine: every change has a number, and time comes from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kaito.contracts import (
    CONTRACT_VERSION,
    AdapterSetInForce,
    AdapterStatus,
    FailureStatus,
    RuntimeStatus,
    Stage,
    WeightsStatus,
)

_FOLLOWS: Mapping[Stage, frozenset[Stage]] = MappingProxyType(
    {
        "importing": frozenset({"loading", "draining", "failed"}),
        "loading": frozenset({"warming", "draining", "failed"}),
        "warming": frozenset({"ready", "draining", "failed"}),
        "ready": frozenset({"draining", "failed"}),
        "draining": frozenset({"failed"}),
        "failed": frozenset(),
    }
)
"""Which stage may follow which. A server never goes back: a new start is a new process."""


@dataclass(frozen=True)
class ServerState:
    """What a server says of itself at one moment. Every method returns the next state; none changes this one.

    `entered` is the clock's reading (seconds) when the stage began; `stage_seconds` has the finished stages' durations.
    """

    model: str
    weights: WeightsStatus
    entered: float
    stage: Stage = "importing"
    message: str = ""
    sequence: int = 1
    adapters: tuple[AdapterStatus, ...] = ()
    adapter_set: AdapterSetInForce | None = None
    stage_seconds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    failure: FailureStatus | None = None

    def enter(self, stage: Stage, now: float, message: str = "") -> "ServerState":
        """Go on to a stage at `now` (seconds). Raises ValueError for a stage that cannot follow."""
        if stage == self.stage:
            return self if message == self.message else self._next(message=message)
        if stage not in _FOLLOWS[self.stage]:
            raise ValueError(f"a server cannot go from {self.stage} to {stage}")
        spent = self.stage_seconds.get(self.stage, 0.0) + max(0.0, now - self.entered)
        seconds = MappingProxyType({**self.stage_seconds, self.stage: round(spent, 3)})
        return self._next(stage=stage, message=message, entered=now, stage_seconds=seconds)

    def fail(self, failure: FailureStatus, now: float) -> "ServerState":
        """Enter `failed` for a reason. The first failure stays: what follows it is its consequence."""
        if self.stage == "failed":
            return self
        return replace(self.enter("failed", now, failure["message"]), failure=failure)

    def with_trouble(self, failure: FailureStatus | None) -> "ServerState":
        """Record what is in the way at this stage, or that nothing is any more. A server that has failed stays so."""
        return self if failure == self.failure or self.stage == "failed" else self._next(failure=failure)

    def with_weights(self, *, loaded: int, total: int | None = None) -> "ServerState":
        """Record how many bytes of the weights are there. No change, no new number."""
        weights = self.weights.copy()
        weights["loadedBytes"] = loaded
        weights["totalBytes"] = self.weights["totalBytes"] if total is None else total
        return self if weights == self.weights else self._next(weights=weights)

    def with_adapters(self, adapters: tuple[AdapterStatus, ...], in_force: AdapterSetInForce | None) -> "ServerState":
        """Record all adapters and which set they follow. No change, no new number."""
        if adapters == self.adapters and in_force == self.adapter_set:
            return self
        return self._next(adapters=adapters, adapter_set=in_force)

    def status(self, now: float) -> RuntimeStatus:
        """Return the admin port's shape; the running stage's seconds are counted up to `now`."""
        running = self.stage_seconds.get(self.stage, 0.0) + max(0.0, now - self.entered)
        status = RuntimeStatus(
            contractVersion=CONTRACT_VERSION,
            sequence=self.sequence,
            stage=self.stage,
            message=self.message,
            model=self.model,
            weights=self.weights,
            adapters=list(self.adapters),
            stageSeconds={**self.stage_seconds, self.stage: round(running, 3)},
            failure=self.failure,
        )
        if self.adapter_set is not None:
            status["adapterSet"] = self.adapter_set
        return status

    def _next(self, **changes: object) -> "ServerState":
        return replace(self, sequence=self.sequence + 1, **changes)  # type: ignore[arg-type]
