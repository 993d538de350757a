"""Serves OCI image layouts on this machine: the pull half of the OCI distribution specification 1.1, and no more.

It stands in for a registry where there is none. `python -m kaito.local.image_server demo/pirate:v1=LAYOUT` serves the
folder as the image `127.0.0.1:5005/demo/pirate:v1` until Ctrl-C; nobody can push to it.
"""

import argparse
import asyncio
import hashlib
import json
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from kaito.core.errors import KaitoError

DEFAULT_ADDRESS = "127.0.0.1:5005"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@asynccontextmanager
async def serve_images(images: Mapping[str, Path], address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Serve each `repository:tag` from its image layout; yield `host:port`, the first part of their references.

    KaitoError (LayoutInvalid) for a folder that is no image layout, (PortInUse) for an address that is taken.
    """
    for layout in images.values():
        manifest_digest(layout)
    application = web.Application()
    routes = _Pulls(images)
    application.add_routes(
        [
            web.get("/v2/", routes.version),
            web.get("/v2/{repository:.+}/manifests/{reference}", routes.manifest),
            web.get("/v2/{repository:.+}/blobs/{digest}", routes.blob),
        ]
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    host, _, port = address.rpartition(":")
    try:
        try:
            await web.TCPSite(runner, host, int(port)).start()
        except OSError as error:
            remedy = "Give another with --address."
            raise KaitoError("PortInUse", f"{address}: {error.strerror}.", terminal=True, remedy=remedy) from error
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def manifest_digest(layout: Path) -> str:
    """Return the digest of a layout's one manifest. KaitoError (LayoutInvalid)."""
    try:
        digest = str(json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"])
        _blob(layout, digest).stat()
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        remedy = "`kaito-runtime stand-in-adapter --layout DIR` makes one."
        raise KaitoError("LayoutInvalid", f"{layout} is no image layout.", terminal=True, remedy=remedy) from error
    return digest


def _blob(layout: Path, digest: str) -> Path:
    """Return where a blob lies. ValueError for a digest that is none, so that no path leads out of the layout."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no sha256 digest")
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


class _Pulls:
    """Answers what a puller asks. HEAD comes with GET."""

    def __init__(self, images: Mapping[str, Path]) -> None:
        self._images = images

    async def version(self, _: web.Request) -> web.Response:
        return web.json_response({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})

    async def manifest(self, request: web.Request) -> web.Response:
        repository, reference = request.match_info["repository"], request.match_info["reference"]
        layout = self._images.get(f"{repository}:{reference}")
        digest = manifest_digest(layout) if layout is not None else reference
        path = _blob(layout, digest) if layout is not None else self._find(repository, reference)
        if path is None:
            raise _unknown("MANIFEST_UNKNOWN", f"{repository}:{reference}")
        body = path.read_bytes()
        return web.Response(
            body=body,
            content_type=json.loads(body)["mediaType"],
            headers={"Docker-Content-Digest": f"sha256:{hashlib.sha256(body).hexdigest()}"},
        )

    async def blob(self, request: web.Request) -> web.StreamResponse:
        digest = request.match_info["digest"]
        path = self._find(request.match_info["repository"], digest)
        if path is None:
            raise _unknown("BLOB_UNKNOWN", digest)
        headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream"}
        return web.FileResponse(path, headers=headers)  # answers ranges

    def _find(self, repository: str, digest: str) -> Path | None:
        """Return the blob of a digest in one of the repository's images."""
        if not _DIGEST.fullmatch(digest):
            return None
        layouts = [layout for name, layout in self._images.items() if name.rpartition(":")[0] == repository]
        return next((path for layout in layouts if (path := _blob(layout, digest)).is_file()), None)


def _unknown(code: str, what: str) -> web.HTTPNotFound:
    body = json.dumps({"errors": [{"code": code, "message": f"{what} is not served here"}]})
    return web.HTTPNotFound(text=body, content_type="application/json")


async def _serve_until_told(images: Mapping[str, Path], address: str) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with serve_images(images, address) as host:
        for name in images:
            print(f"{host}/{name}", flush=True)
        await told.wait()


def _image(text: str) -> tuple[str, Path]:
    name, _, layout = text.partition("=")
    if not layout or ":" not in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not REPOSITORY:TAG=LAYOUT")
    return name, Path(layout)


def main() -> None:
    """Serve image layouts until SIGTERM or SIGINT; print the images' names once they can be pulled."""
    parser = argparse.ArgumentParser(
        prog="python -m kaito.local.image_server",
        description="Example: python -m kaito.local.image_server demo/pirate:v1=/tmp/pirate-image",
    )
    parser.add_argument("images", nargs="+", type=_image, metavar="REPOSITORY:TAG=LAYOUT", help="an OCI image layout")
    parser.add_argument("--address", default=DEFAULT_ADDRESS, help="where to listen (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve_until_told(dict(arguments.images), arguments.address))
    except KaitoError as error:
        parser.exit(1, f"{parser.prog}: {error.advice}\n")


if __name__ == "__main__":
    main()
