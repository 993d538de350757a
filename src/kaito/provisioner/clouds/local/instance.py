"""The machines of the local cloud: one JSON file each, which the machine room of `kaito up` boots.

Only the provisioner creates files and marks them terminating; only the machine room removes them. Every change is one
atomic step of the file system, so that a crash at any point leaves a whole file or none.
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from kaito.api.machine import Taint
from kaito.api.meta import Model

PROVIDER_ID_PREFIX: Final = "local:///"


class LocalInstance(Model):
    """One machine of the local cloud, as its file says it. Capacities are Kubernetes quantities."""

    name: str
    provider_id: Annotated[str, Field(alias="providerID")]
    instance_type: str
    zone: str
    labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    capacity: dict[str, str] = Field(default_factory=dict)
    created_at: str
    state: Literal["running", "terminating"] = "running"


class InstanceFiles:
    """The folder `instances/` of a local cloud."""

    def __init__(self, cloud_directory: Path) -> None:
        self.directory = cloud_directory / "instances"

    def path(self, name: str) -> Path:
        """Return where the instance of this name is kept."""
        return self.directory / f"{name}.json"

    def names(self) -> list[str]:
        """Return the names of all instances, in order; unfinished files are not among them."""
        if not self.directory.is_dir():
            return []
        return sorted(path.stem for path in self.directory.glob("*.json") if not path.name.startswith("."))

    def read(self, name: str) -> LocalInstance | None:
        """Return the instance, or None when it does not exist. ValueError when the file is not one of ours."""
        try:
            content = self.path(name).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return LocalInstance.model_validate_json(content)
        except ValidationError as error:
            raise ValueError(f"{self.path(name)} does not describe an instance: {error}") from error

    def all(self) -> list[LocalInstance]:
        """Return every instance, in the order of names. ValueError as in `read`."""
        return [instance for name in self.names() if (instance := self.read(name)) is not None]

    def create(self, instance: LocalInstance) -> bool:
        """Write a new instance whole; False, and nothing written, when there is one of this name."""
        self.directory.mkdir(parents=True, exist_ok=True)
        draft = self._draft(instance)
        try:
            os.link(draft, self.path(instance.name))
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def mark_terminating(self, name: str) -> bool:
        """Ask the machine room to take the instance down; False when there is none. Again is harmless."""
        instance = self.read(name)
        if instance is None:
            return False
        if instance.state == "running":
            draft = self._draft(instance.model_copy(update={"state": "terminating"}))
            if not self.path(name).exists():  # removed meanwhile: a rename now would bring it back
                draft.unlink()
                return False
            draft.replace(self.path(name))
        return True

    def remove(self, name: str) -> None:
        """Forget the instance: it is gone. Again is harmless."""
        self.path(name).unlink(missing_ok=True)

    def _draft(self, instance: LocalInstance) -> Path:
        draft = self.directory / f".{instance.name}.{os.getpid()}.draft"
        draft.write_text(instance.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n")
        return draft
