"""The parts that every kind of ours is made of: metadata and conditions."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A part of an API object: snake_case in Python, camelCase on the wire, immutable; unknown fields are dropped."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def wire(self) -> dict[str, Any]:
        """Return the JSON form, without fields that are unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class SpecModel(Model):
    """A part of the spec; its attribute docstrings become the descriptions that `kubectl explain` prints."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class OwnerReference(Model):
    """`metav1.OwnerReference`."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Model):
    """`metav1.ObjectMeta`, as far as our controllers read it."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()


ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(Model):
    """`metav1.Condition`. `reason` is a CamelCase word from a closed list; `message` is written for a person."""

    type: Annotated[str, Field(max_length=316)]
    status: ConditionStatus
    reason: Annotated[str, Field(max_length=1024)]
    message: Annotated[str, Field(max_length=32768)] = ""
    last_transition_time: Annotated[str, Field(max_length=64)]
    observed_generation: int = 0
