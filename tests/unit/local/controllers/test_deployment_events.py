"""Which Deployment a pod that goes wakes."""

from typing import Any

import orjson
import pytest

from kaito.core import Event, Key, Metadata, OwnerReference
from kaito.core.cache import CacheEntry
from kaito.core.kinds import DEPLOYMENT, POD, REPLICA_SET
from kaito.local.controllers.deployment.reconciler import recreated_by


class World:
    """A cache with a ReplicaSet and its Deployment."""

    def __init__(self, strategy: str) -> None:
        owner = {"kind": "Deployment", "name": "web", "controller": True}
        self.objects: dict[Any, Any] = {
            (REPLICA_SET, Key("n", "web-1")): {"metadata": {"ownerReferences": [owner]}},
            (DEPLOYMENT, Key("n", "web")): {"spec": {"strategy": {"type": strategy}}},
        }

    def get(self, kind: Any, key: Key) -> Any:
        return self.objects.get((kind, key))


def pod(phase: str, owner: str = "web-1", kind: str = "ReplicaSet") -> CacheEntry[Any]:
    reference = OwnerReference(api_version="apps/v1", kind=kind, name=owner, uid="r", controller=True)
    metadata = Metadata(name="p", namespace="n", owner_references=(reference,))
    return CacheEntry(POD, metadata, orjson.dumps({"metadata": {}, "status": {"phase": phase}}))


@pytest.mark.parametrize(
    ("strategy", "entry", "gone", "woken"),
    [
        ("Recreate", pod("Running"), True, True),
        ("Recreate", pod("Failed"), False, True),
        ("Recreate", pod("Running"), False, False),
        ("RollingUpdate", pod("Running"), True, False),
        ("Recreate", pod("Running", owner="other"), True, False),
        ("Recreate", pod("Running", kind="Job"), True, False),
    ],
)
def test_a_pod_that_went_wakes_the_deployment_that_waits_to_recreate_it(
    strategy: str, entry: CacheEntry[Any], gone: bool, woken: bool
) -> None:
    world: Any = World(strategy)
    event = Event(POD, "DELETED" if gone else "MODIFIED", Key("n", "p"), entry, None if gone else entry)
    assert list(recreated_by(world, event)) == ([Key("n", "web")] if woken else [])
