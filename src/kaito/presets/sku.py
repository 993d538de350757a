"""The SKU catalogue: what a machine size has, so that a plan is known before anything is bought."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kaito.core.errors import KaitoError
from kaito.presets.nearest import nearest

GIB = 1 << 30
BFLOAT16_CAPABILITY = (8, 0)
"""CUDA compute capability from which GPUs compute in bfloat16 (Ampere); vLLM refuses bfloat16 below it."""


class Sku(BaseModel):
    """One machine size. `gpu_memory` is GiB of each GPU, `memory` GiB of the machine."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    name: str
    gpus: Annotated[int, Field(ge=1)]
    gpu_memory: Annotated[int, Field(ge=1)]
    model: str
    compute_capability: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    vcpus: int
    memory: int
    retired: bool = False
    successor: str = ""

    @property
    def gpu_memory_bytes(self) -> int:
        """Memory of one GPU in bytes."""
        return self.gpu_memory * GIB

    @property
    def has_bfloat16(self) -> bool:
        """Whether its GPUs compute in bfloat16."""
        major, _, minor = self.compute_capability.partition(".")
        return (int(major), int(minor)) >= BFLOAT16_CAPABILITY


@dataclass(frozen=True)
class SkuCatalogue:
    """The known sizes, looked up whatever the case, as the cloud does."""

    skus: tuple[Sku, ...]

    def find(self, name: str) -> Sku:
        """Return the size called `name`. Raises the terminal `UnknownSKU`, which names the three closest."""
        wanted = name.lower()
        for sku in self.skus:
            if sku.name.lower() == wanted:
                return sku
        close = nearest(name, (sku.name for sku in self.skus))
        raise KaitoError(
            "UnknownSKU",
            f'resource.instanceType "{name}" is not a known GPU size.',
            terminal=True,
            remedy=f"The closest are {', '.join(close)}.",
        )

    def __iter__(self) -> Iterator[Sku]:
        return iter(self.skus)


def parse_skus(text: str) -> SkuCatalogue:
    """Read a catalogue from YAML. Raises pydantic's ValidationError where an entry is wrong."""
    document = yaml.safe_load(text)
    entries: Iterable[object] = document["skus"]
    return SkuCatalogue(tuple(Sku.model_validate(entry) for entry in entries))


@cache
def load_skus() -> SkuCatalogue:
    """Return the catalogue that is shipped with kaito."""
    return parse_skus(files(__package__).joinpath("skus.yaml").read_text())
