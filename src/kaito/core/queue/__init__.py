"""Which key is worked on next, and when."""

from kaito.core.queue.limiter import ExponentialBackoff, FastSlow, MaxOf, MaxWait, RateLimiter, TokenBucket
from kaito.core.queue.metrics import QueueMetricFamilies, QueueMetrics
from kaito.core.queue.priority import Item, PriorityOrder
from kaito.core.queue.workqueue import WorkQueue, classic_queue

__all__ = [
    "ExponentialBackoff",
    "FastSlow",
    "Item",
    "MaxOf",
    "MaxWait",
    "PriorityOrder",
    "QueueMetricFamilies",
    "QueueMetrics",
    "RateLimiter",
    "TokenBucket",
    "WorkQueue",
    "classic_queue",
]
