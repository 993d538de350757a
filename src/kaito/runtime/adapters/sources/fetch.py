"""Gets an adapter's files, wherever they are."""

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.fetched import Fetched, Place
from kaito.runtime.adapters.sources.hub import fetch_from_hub
from kaito.runtime.adapters.sources.oci.pull import pull
from kaito.runtime.adapters.sources.partial import disk_error, remove_abandoned
from kaito.runtime.adapters.sources.source import HubRepository, LocalFolder, OciImage, Source, Urls
from kaito.runtime.adapters.sources.urls import fetch_urls


async def fetch(source: Source, place: Place) -> Fetched:
    """Put the two files of an adapter into `place.into`; a local folder stays where it is, to be read from there.

    Safe to cancel: what has come stays in `place.downloads`, and the next call goes on with it; what is in
    `place.into` by then is for the caller to remove. Raises AdapterError, which says whether trying again can help.
    """
    if isinstance(source, LocalFolder):
        if not source.path.is_dir():
            raise AdapterError("SourceNotFound", f"There is no folder {source.path}.", passes=True)
        return Fetched(source.path)
    try:
        place.downloads.mkdir(parents=True, exist_ok=True)
        remove_abandoned(place.downloads)
        match source:
            case OciImage():
                return await pull(source, place)
            case Urls():
                return await fetch_urls(source, place)
            case HubRepository():
                return await fetch_from_hub(source, place)
    except OSError as error:
        raise disk_error(error) from None
