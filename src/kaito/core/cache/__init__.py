"""Objects kept in step with the server: reflector, store, indexes, informer."""

from kaito.core.cache.backoff import Backoff
from kaito.core.cache.cache import Cache
from kaito.core.cache.entry import CacheEntry, Event
from kaito.core.cache.informer import Informer
from kaito.core.cache.selection import Selection
from kaito.core.cache.settings import ReflectorSettings
from kaito.core.cache.store import OWNER_INDEX, IndexFunction

__all__ = [
    "OWNER_INDEX",
    "Backoff",
    "Cache",
    "CacheEntry",
    "Event",
    "IndexFunction",
    "Informer",
    "ReflectorSettings",
    "Selection",
]
