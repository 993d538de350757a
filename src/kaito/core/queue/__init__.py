"""Which key is worked on next, and when."""

from kaito.core.queue.limiter import ExponentialBackoff
from kaito.core.queue.metrics import QueueMetricFamilies, QueueMetrics
from kaito.core.queue.priority import Item, PriorityOrder
from kaito.core.queue.workqueue import WorkQueue

__all__ = ["ExponentialBackoff", "Item", "PriorityOrder", "QueueMetricFamilies", "QueueMetrics", "WorkQueue"]
