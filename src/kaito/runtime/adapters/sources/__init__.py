"""Gets an adapter's files from where they are into an empty folder. Nothing here checks what is in them."""

from kaito.runtime.adapters.sources.fetch import fetch
from kaito.runtime.adapters.sources.fetched import Fetched, Place
from kaito.runtime.adapters.sources.hub import hub_forbidden
from kaito.runtime.adapters.sources.limits import Limits, Patience
from kaito.runtime.adapters.sources.source import HubRepository, LocalFolder, OciImage, Source, Urls, source_of

__all__ = [
    "Fetched",
    "HubRepository",
    "Limits",
    "LocalFolder",
    "OciImage",
    "Patience",
    "Place",
    "Source",
    "Urls",
    "fetch",
    "hub_forbidden",
    "source_of",
]
