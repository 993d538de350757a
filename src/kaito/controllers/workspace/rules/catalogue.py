"""What a Workspace is judged by beside its own words."""

from dataclasses import dataclass

from kaito.controllers.options import STAND_IN
from kaito.presets import PresetRegistry, SkuCatalogue


@dataclass(frozen=True)
class Catalogue:
    """The models and machine sizes that there are, and where weights come from (as in `Settings.weights`)."""

    presets: PresetRegistry
    skus: SkuCatalogue
    weights: str = STAND_IN
