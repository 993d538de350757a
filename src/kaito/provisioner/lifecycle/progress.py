"""What one reconcile knows of a Machine, and how it should be: each step takes a Progress and returns the next one."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from kaito.api.machine import INITIALIZED, LAUNCHED, READY, REGISTERED, Machine, MachineCondition
from kaito.api.meta import ConditionStatus
from kaito.core.clock import parse_timestamp
from kaito.core.conditions import transition_time
from kaito.core.errors import KaitoError
from kaito.provisioner.clouds import Instance
from kaito.provisioner.limits import Limits
from kaito.provisioner.node import Node

DEPENDENTS = (LAUNCHED, REGISTERED, INITIALIZED)
"""Conditions that make up Ready, in the order of a Machine's life."""


@dataclass(frozen=True)
class Notice:
    """An event to record, on the Machine or on its Node."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    on: Literal["Machine", "Node"] = "Machine"


@dataclass(frozen=True)
class Refusal:
    """A create that the cloud refused, and when it is tried again; None waits until the claim or the cloud changes."""

    error: KaitoError
    retry_at: datetime | None


@dataclass(frozen=True)
class Progress:
    """A Machine and its node as they are at first, and as they should be at last.

    `launch` is the cloud's answer of this reconcile, None when it was not asked. `vanished` says that the cloud no
    longer has the instance. `nodes` are all that carry the Machine's providerID; `node` is the only one. `support`
    says where a person sees why a node does not come.
    """

    now: datetime
    limits: Limits
    machine: Machine
    nodes: tuple[Node, ...] = ()
    node: Node | None = None
    launch: Instance | Refusal | None = None
    vanished: bool = False
    support: str = ""
    notices: tuple[Notice, ...] = ()
    requeue_after: float | None = None
    delete_machine: bool = False

    @classmethod
    def of(
        cls, now: datetime, limits: Limits, machine: Machine, nodes: tuple[Node, ...], *, support: str = ""
    ) -> "Progress":
        """Return where a reconcile starts."""
        return cls(now, limits, machine, nodes, nodes[0] if len(nodes) == 1 else None, support=support)

    def condition(self, condition_type: str, status: ConditionStatus, reason: str, message: str) -> "Progress":
        """Return the progress with a condition set; its time moves only when the status does."""
        return replace(
            self,
            machine=with_condition(
                self.machine,
                MachineCondition(type=condition_type, status=status, reason=reason, message=message),
                self.now,
            ),
        )

    def true(self, condition_type: str) -> "Progress":
        """Return the progress with a condition met; the type is the reason, as in Karpenter."""
        return self.condition(condition_type, "True", condition_type.removeprefix("Machine"), "")

    def status(self, **changes: object) -> "Progress":
        """Return the progress with fields of the Machine's status replaced."""
        status = self.machine.status.model_copy(update=changes)
        return replace(self, machine=self.machine.model_copy(update={"status": status}))

    def notice(self, notice: Notice) -> "Progress":
        """Return the progress with one more event."""
        return replace(self, notices=(*self.notices, notice))

    def again_at(self, moment: datetime) -> "Progress":
        """Return the progress that is looked at again at `moment`, or earlier if a step said so."""
        seconds = max(0.0, (moment - self.now).total_seconds())
        return replace(self, requeue_after=seconds if self.requeue_after is None else min(seconds, self.requeue_after))

    @property
    def created(self) -> datetime:
        """When the Machine was created."""
        text = self.machine.metadata.creation_timestamp
        return parse_timestamp(text) if text else self.now

    def since(self, condition_type: str) -> datetime:
        """Return when a condition last changed its status; the Machine's creation before it was written."""
        found = self.machine.condition(condition_type)
        return parse_timestamp(found.last_transition_time) if found and found.last_transition_time else self.created


def with_condition(machine: Machine, wanted: MachineCondition, now: datetime) -> Machine:
    """Return the Machine with one condition replaced or added, Ready last."""
    old = machine.condition(wanted.type)
    new = wanted.model_copy(update={"last_transition_time": transition_time(old, wanted.status, now)})
    conditions = [new if one.type == wanted.type else one for one in machine.status.conditions]
    if old is None:
        conditions.append(new)
    conditions.sort(key=lambda one: one.type == READY)
    status = machine.status.model_copy(update={"conditions": tuple(conditions)})
    return machine.model_copy(update={"status": status})
