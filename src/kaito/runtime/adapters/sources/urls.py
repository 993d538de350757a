"""Files by http and https: both by their names, or one archive."""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePosixPath

import aiohttp
from yarl import URL

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.archive import Archive
from kaito.runtime.adapters.sources.download import Item, download
from kaito.runtime.adapters.sources.fetched import Fetched, Place, check_complete
from kaito.runtime.adapters.sources.source import Urls
from kaito.runtime.adapters.sources.unpacking import WANTED, Room
from kaito.runtime.adapters.sources.web import Web, check_url, shown


async def fetch_urls(source: Urls, place: Place) -> Fetched:
    """Get what the URLs lead to into `place.into`. Raises AdapterError.

    A lone URL that does not end in the name of one of the two files leads to an archive.
    """
    files = _named([_parsed(text, place) for text in source.urls])
    room = Room(place.into, place.limits)
    async with Web.open(place.patience, private=place.private_sources) as web:
        if not files:
            await _archive(web, _parsed(source.urls[0], place), room, place)
            return Fetched(place.into)
        check_complete(files, (), "The list of URLs")
        done = 0
        for name in WANTED:
            done += await _file(web, files[name], name, room, place, done)
    place.progress(done, done)
    return Fetched(place.into)


def _parsed(text: str, place: Place) -> URL:
    """Read one URL. Raises AdapterError before anything is asked, for what its text alone tells."""
    try:
        url = URL(text)
    except ValueError:
        raise AdapterError("SourceNotAllowed", "One of the URLs cannot be read.") from None
    check_url(url, private=place.private_sources)
    return url


def _named(urls: list[URL]) -> dict[str, URL]:
    """Return which URL has which file; empty for a lone archive. Raises AdapterError for any other list."""
    found: dict[str, URL] = {}
    for url in urls:
        name = PurePosixPath(url.path).name
        if name not in WANTED and len(urls) == 1:
            return {}
        if name not in WANTED or name in found:
            which = "a second " if name in found else "neither an archive alone nor "
            raise AdapterError("SourceNotAllowed", f"{shown(url)} is {which}{' or '.join(WANTED)}.")
        found[name] = url
    return found


async def _file(web: Web, url: URL, name: str, room: Room, place: Place, before: int) -> int:
    """Get one file, and return its size."""

    def came(done: int, total: int) -> None:
        place.progress(before + done, before + total if total else 0)

    def use(path: Path) -> None:
        room.move(name, path)

    await download(_item(web, url, place.limits.adapter), place.downloads, place.patience, came, use)
    return (place.into / name).stat().st_size


async def _archive(web: Web, url: URL, room: Room, place: Place) -> None:
    archive = Archive(room, place.limits, shown(url))
    await download(
        _item(web, url, place.limits.download), place.downloads, place.patience, place.progress, archive.unpack
    )
    check_complete(archive.found, archive.seen, archive.what)


def _item(web: Web, url: URL, largest: int) -> Item:
    """Return a URL as something to be downloaded. A signature in its query changes; what it leads to does not."""

    def request(headers: Mapping[str, str]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return web.request(url, headers)

    name = hashlib.sha256(shown(url).encode()).hexdigest()[:32]
    return Item(shown(url), f"url-{name}", request, largest)
