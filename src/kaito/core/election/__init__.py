"""Leader election: of several replicas of a process, the one that holds the Lease may write."""

from kaito.core.election.leadership import Leadership, new_identity
from kaito.core.election.timing import Timing

__all__ = ["Leadership", "Timing", "new_identity"]
