"""Pushes an OCI image layout to a registry (OCI distribution specification 1.1, "Push")."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from yarl import URL

from kaito.runtime.adapters.image import MANIFEST_TYPE, open_blob
from kaito.runtime.adapters.sources.answers import refused
from kaito.runtime.adapters.sources.limits import Patience
from kaito.runtime.adapters.sources.oci.authorization import Authorization
from kaito.runtime.adapters.sources.oci.credentials import Keys
from kaito.runtime.adapters.sources.oci.reference import Reference
from kaito.runtime.adapters.sources.web import Web

_CHUNK = 1 << 20


async def push(layout: Path, reference: Reference, keys: Keys, patience: Patience | None = None) -> str:
    """Upload the one image of `layout` under the reference's tag, and return its manifest's digest.

    What the registry has already is not sent. Raises AdapterError; pushing again is safe.
    """
    digest = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    with open_blob(layout, digest) as file:
        body = file.read()
    manifest = json.loads(body)
    async with Web.open(patience or Patience(), private=True) as web:
        upload = _Upload(web, reference, keys)
        for blob in [manifest["config"], *manifest["layers"]]:
            await upload.blob(layout, blob["digest"], blob["size"])
        await upload.manifest(body)
    return str(digest)


class _Upload:
    """Asks one repository to take things."""

    def __init__(self, web: Web, reference: Reference, keys: Keys) -> None:
        self._reference = reference
        self._url = reference.endpoint / "v2" / reference.repository
        self._remedy = " ".join(keys.remarks)
        scope = f"repository:{reference.repository}:pull,push"
        self._ask = Authorization(web, reference.endpoint, keys.credentials, scope).request

    async def blob(self, layout: Path, digest: str, size: int) -> None:
        async with self._ask(self._url / "blobs" / digest, {}, method="HEAD") as response:
            if response.status < 400:
                return
        async with self._ask(self._url / "blobs" / "uploads/", {}, method="POST") as response:
            self._check(response, 202)
            place = response.url.join(URL(response.headers.get("Location", ""), encoded=True))
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        target = URL(f"{place}{'&' if place.raw_query_string else '?'}digest={digest}", encoded=True)
        async with self._ask(target, headers, method="PUT", body=lambda: _chunks(layout, digest)) as response:
            self._check(response, 201)

    async def manifest(self, body: bytes) -> None:
        url = self._url / "manifests" / self._reference.tag
        async with self._ask(url, {"Content-Type": MANIFEST_TYPE}, method="PUT", body=lambda: body) as response:
            self._check(response, 201)

    def _check(self, response: aiohttp.ClientResponse, status: int) -> None:
        if response.status != status:
            raise refused(response.status, f"{self._reference} was not pushed", remedy=self._remedy)


async def _chunks(layout: Path, digest: str) -> AsyncIterator[bytes]:
    with open_blob(layout, digest) as file:
        while chunk := file.read(_CHUNK):
            yield chunk
