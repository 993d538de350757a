"""What a controller, and its sources, get from the manager they run in."""

from dataclasses import dataclass

from kaito.core.cache import Cache
from kaito.core.client import Client
from kaito.core.clock import Clock
from kaito.core.controller.metrics import ControllerMetricFamilies


@dataclass(frozen=True)
class Surroundings:
    """What a controller gets from its manager."""

    client: Client
    cache: Cache
    clock: Clock
    metrics: ControllerMetricFamilies
