"""Pulls an adapter's image: reference, manifest, layers, files."""

from pathlib import Path

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.download import download
from kaito.runtime.adapters.sources.fetched import Fetched, Place, check_complete
from kaito.runtime.adapters.sources.oci.credentials import read_keys
from kaito.runtime.adapters.sources.oci.layers import Search
from kaito.runtime.adapters.sources.oci.manifest import Layer, layers
from kaito.runtime.adapters.sources.oci.reference import Reference
from kaito.runtime.adapters.sources.oci.registry import Registry
from kaito.runtime.adapters.sources.source import OciImage
from kaito.runtime.adapters.sources.unpacking import WANTED, Room
from kaito.runtime.adapters.sources.web import Web


async def pull(image: OciImage, place: Place) -> Fetched:
    """Get the files of an image into `place.into`. Raises AdapterError.

    Registries may be in private networks: those of a company are.
    """
    reference = Reference.parse(image.reference)
    keys = read_keys(place.credentials, image.secrets, reference)
    async with Web.open(place.patience, private=True) as web:
        registry = Registry(web, reference, keys)
        pulled = await registry.resolve(place.limits, place.patience)
        found = layers(pulled.manifest, WANTED, str(reference))
        search = Search(Room(place.into, place.limits), place.limits)
        total = sum(layer.size for layer in found)
        if total > place.limits.download:
            raise AdapterError("TooLarge", f"{reference} has layers of {total} bytes.")
        before = 0
        for layer in reversed(found):
            if search.done:
                break
            await _one(registry, layer, search, place, before, total)
            before += layer.size
    check_complete(search.found, search.seen, f"The folder /data of {reference}")
    place.progress(before, before)
    return Fetched(place.into, pulled.digest)


async def _one(registry: Registry, layer: Layer, search: Search, place: Place, before: int, total: int) -> None:
    item = registry.item(layer)

    def use(path: Path) -> None:
        search.look_into(layer, path, item.what)

    def came(done: int, _: int) -> None:
        place.progress(before + done, total)

    await download(item, place.downloads, place.patience, came, use)
