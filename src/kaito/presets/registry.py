"""The preset registry: which models there are and what each needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kaito.core.errors import KaitoError
from kaito.presets.nearest import nearest

Dtype = Literal["bfloat16", "float16"]


class RegistryModel(BaseModel):
    """A part of the registry file; an unknown key is an error, since it is a misspelt one."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Lora(RegistryModel):
    """What a pod starts with for adapters: slots on the GPU, slots in host memory, and the largest rank."""

    slots: Annotated[int, Field(ge=1)]
    cpu_slots: Annotated[int, Field(ge=1)]
    rank: Annotated[int, Field(ge=1, le=512)]


class Shape(RegistryModel):
    """The model's own dimensions."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int


class Preset(RegistryModel):
    """One model and how to run it; the fields are described at the top of `presets.yaml`. Sizes in bytes."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=63)]
    aliases: tuple[str, ...] = ()
    repository: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    licence: str
    gated: bool = False
    architecture: str
    dtype: Dtype
    context_length: Annotated[int, Field(ge=1)]
    weight_bytes: Annotated[int, Field(ge=1)]
    bytes_per_token: Annotated[int, Field(ge=1)]
    disk: Annotated[str, Field(pattern=r"^\d+Gi$")]
    shape: Shape
    lora: Lora | None = None


@dataclass(frozen=True)
class PresetRegistry:
    """The known presets, looked up by name or alias, whatever the case."""

    presets: tuple[Preset, ...]

    def find(self, name: str) -> Preset:
        """Return the preset called `name`. Raises the terminal `UnknownPreset`, which names the three closest."""
        wanted = name.lower()
        for preset in self.presets:
            if wanted == preset.name or wanted in preset.aliases:
                return preset
        close = nearest(wanted.rpartition("/")[2], (preset.name for preset in self.presets))
        raise KaitoError(
            "UnknownPreset",
            f'preset "{name}" is not in the registry.',
            terminal=True,
            remedy=f"The closest are {', '.join(close)}.",
        )

    def __iter__(self) -> Iterator[Preset]:
        return iter(self.presets)


def parse_presets(text: str) -> PresetRegistry:
    """Read a registry from YAML. Raises pydantic's ValidationError where an entry is wrong."""
    return PresetRegistry(tuple(Preset.model_validate(entry) for entry in yaml.safe_load(text)["presets"]))


@cache
def load_presets() -> PresetRegistry:
    """Return the registry that is shipped with kaito."""
    return parse_presets(files(__package__).joinpath("presets.yaml").read_text())
