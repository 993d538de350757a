"""A registry's API, as far as a pull needs it (OCI distribution specification 1.1).

Our own on aiohttp: the libraries there are (oras 0.2, python-dxf 12) block, check no digest while they pull, go on with
nothing that broke, and wait for ever.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.answers import refused
from kaito.runtime.adapters.sources.download import Item
from kaito.runtime.adapters.sources.limits import Limits, Patience, TransientError, ends_within
from kaito.runtime.adapters.sources.oci import manifest
from kaito.runtime.adapters.sources.oci.authorization import Authorization
from kaito.runtime.adapters.sources.oci.credentials import Keys
from kaito.runtime.adapters.sources.oci.reference import Reference
from kaito.runtime.adapters.sources.web import Web


@dataclass(frozen=True)
class Pulled:
    """What a reference stands for now: the digest it is pinned by, and the manifest for this machine."""

    digest: str
    manifest: dict[str, Any]


class Registry:
    """Asks for one repository."""

    def __init__(self, web: Web, reference: Reference, keys: Keys) -> None:
        self._web = web
        self._reference = reference
        self._url = reference.endpoint / "v2" / reference.repository
        self._authorization = Authorization(
            web, reference.endpoint, keys.credentials, f"repository:{reference.repository}:pull"
        )
        self._remedy = " ".join(keys.remarks)

    async def resolve(self, limits: Limits, patience: Patience) -> Pulled:
        """Return what the reference stands for. Raises AdapterError."""
        what = str(self._reference)
        body = await self._document(self._reference.version, self._reference.digest, limits, patience)
        digest = self._reference.digest or f"sha256:{hashlib.sha256(body).hexdigest()}"
        document = manifest.parse(body, what)
        if manifest.is_index(document):
            chosen = manifest.choose(document, what)
            document = manifest.parse(await self._document(chosen, chosen, limits, patience), what)
        return Pulled(digest, document)

    def item(self, layer: manifest.Layer) -> Item:
        """Return a layer as something to be downloaded."""

        @asynccontextmanager
        async def request(headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
            async with self._get(f"blobs/{layer.digest}", headers) as response:
                yield response

        what = f"Layer {layer.digest[:19]} of {self._reference}"
        return Item(what, layer.digest.replace(":", "-"), request, largest=layer.size, digest=layer.digest)

    async def _document(self, version: str, digest: str, limits: Limits, patience: Patience) -> bytes:
        for _ in range(patience.attempts - 1):
            try:
                return await self._read(version, digest, limits, patience)
            except TransientError:
                await patience.sleep(patience.pause)
        return await self._read(version, digest, limits, patience)

    async def _read(self, version: str, digest: str, limits: Limits, patience: Patience) -> bytes:
        what = str(self._reference)
        body = bytearray()
        async with (
            ends_within(patience.document, f"The manifest of {what}"),
            self._get(f"manifests/{version}", {"Accept": manifest.ACCEPT}) as response,
        ):
            if response.status != 200:
                raise refused(response.status, what, remedy=self._remedy)
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > limits.document:
                    raise AdapterError("TooLarge", f"The manifest of {what} is larger than {limits.document} bytes.")
        promised = digest or response.headers.get("Docker-Content-Digest", "")
        algorithm = promised.partition(":")[0]
        if algorithm in {"sha256", "sha512"} and f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}" != promised:
            raise TransientError("DigestMismatch", f"The manifest of {what} is not the one of {promised}.")
        return bytes(body)

    @asynccontextmanager
    async def _get(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer. A refusal of another server, which keeps the blobs, is a trouble of it: links expire."""
        url = self._url / path
        async with self._authorization.request(url, headers) as response:
            if response.status in {401, 403}:
                if response.url.origin() == url.origin():
                    raise refused(response.status, str(self._reference), remedy=self._remedy)
                what = f"{response.url.host} answered {response.status} to the link that {url.host} gave."
                raise TransientError("SourceUnreachable", what)
            yield response
