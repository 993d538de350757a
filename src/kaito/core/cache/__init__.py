"""Objects kept in step with the server: reflector, store, indexes, informer."""

from kaito.core.cache.backoff import Backoff
from kaito.core.cache.cache import Cache
from kaito.core.cache.entry import CacheEntry, Event, Mode, Transform
from kaito.core.cache.index import OWNER_INDEX, IndexFunction
from kaito.core.cache.informer import Informer
from kaito.core.cache.selection import NamespaceSelection, Selection
from kaito.core.cache.settings import ReflectorSettings
from kaito.core.cache.store import ALL_NAMESPACES
from kaito.core.cache.subscription import Handler, Subscription

__all__ = [
    "ALL_NAMESPACES",
    "OWNER_INDEX",
    "Backoff",
    "Cache",
    "CacheEntry",
    "Event",
    "Handler",
    "IndexFunction",
    "Informer",
    "Mode",
    "NamespaceSelection",
    "ReflectorSettings",
    "Selection",
    "Subscription",
    "Transform",
]
