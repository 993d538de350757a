"""How long each part of a machine's life may take, and how often to try again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """All in seconds. Karpenter allows 5 min to launch and 15 to register; creating an AKS pool alone takes 3 to 6."""

    launch: float = 900.0
    """From the Machine's creation until the cloud has given an instance."""
    registration: float = 900.0
    """From the launch until the node has joined."""
    initialization: float = 900.0
    """From the registration until the node is ready with all that was requested; Karpenter has no such limit."""
    drain: float = 300.0
    """From the deletion of a Machine until pods that a disruption budget protects are deleted instead of evicted."""
    force: float = 60.0
    """From there until what is still on the node is left behind."""
    quota_retry: float = 60.0
    """Between two looks at a quota that was exceeded."""
    capacity_retry: float = 5.0
    """Before the second try for capacity; doubles with each, up to `capacity_retry_most`."""
    capacity_retry_most: float = 300.0
    drain_poll: float = 0.5
    """Between two looks at the pods of a node that is drained."""
    orphan_age: float = 30.0
    """An instance without a Machine is deleted at this age; its Machine may not have reached our cache before."""
    garbage_collection: float = 120.0
    """Between two comparisons of instances and Machines."""
    cloud_poll: float = 2.0
    """Between two looks at the cloud's revision, while a claim waits for it to change."""
