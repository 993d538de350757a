"""An adapter on a Hugging Face hub. Its library downloads, in a process of its own.

The library's switch for working offline is one for the whole process, and vLLM must not ask the hub; its downloads run
in threads that cannot be ended. A process of its own has its own switch, and ends when it is told to.
"""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kaito.contracts import AdapterReason
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.fetched import Fetched, Place, check_complete
from kaito.runtime.adapters.sources.source import HubRepository
from kaito.runtime.adapters.sources.unpacking import WANTED, Room

_REASONS: dict[str, AdapterReason] = {
    "ModelNotFound": "SourceNotFound",
    "RevisionNotFound": "SourceNotFound",
    "InvalidFlag": "SourceNotFound",
    "ModelAccessRequired": "SourceUnauthorized",
    "HubTokenInvalid": "SourceUnauthorized",
    "DiskFull": "DiskFull",
    "WeightsFolderUnwritable": "DiskFull",
    "TooLarge": "TooLarge",
}
"""What the hub's errors are for an adapter; any other is a hub in trouble."""

_FINAL = {"InvalidFlag", "TooLarge"}


def hub_forbidden(environment: Mapping[str, str]) -> bool:
    """Tell whether the hub's library would work offline. To be asked before the variable is set for vLLM."""
    said = environment.get("HF_HUB_OFFLINE") or environment.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in {"1", "ON", "YES", "TRUE"}


async def fetch_from_hub(source: HubRepository, place: Place) -> Fetched:
    """Get the two files at the commit that the revision names now. Raises AdapterError."""
    if place.offline:
        what = f"{source.repository} is on a hub, and HF_HUB_OFFLINE forbids to ask for it."
        raise AdapterError("SourceUnreachable", f"{what} Unset it, or give the adapter as an image or a folder.")
    cache = place.downloads / f"hub-{source.repository.replace('/', '--')}-{os.urandom(4).hex()}"
    try:
        folder = Path(await _downloaded(source, cache, place))
        found = [name for name in WANTED if (folder / name).exists()]
        room = Room(place.into, place.limits)
        check_complete(found, (), f"{source.repository} at {source.revision}")
        for name in WANTED:
            room.move(name, (folder / name).resolve())
        return Fetched(place.into, folder.name)
    finally:
        await asyncio.to_thread(shutil.rmtree, cache, ignore_errors=True)


async def _downloaded(source: HubRepository, cache: Path, place: Place) -> str:
    """Run the download, and return the folder of the files."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kaito.runtime.adapters.sources.hub_process"),
        *(source.repository, source.revision, str(cache), str(place.limits.adapter)),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"},
    )
    try:
        return await _followed(process, source, place)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _followed(process: Process, source: HubRepository, place: Place) -> str:
    """Pass on what the process says, line by line, until it has said how it ended."""
    assert process.stdout
    async for line in process.stdout:
        with suppress(ValueError):
            said: dict[str, Any] = json.loads(line)
            match said:
                case {"done": int(done), "total": int(total)}:
                    place.progress(done, total)
                case {"folder": str(folder)}:
                    return folder
                case {"reason": str(reason), "message": str(message)}:
                    raise AdapterError(_REASONS.get(reason, "SourceUnreachable"), message, passes=reason not in _FINAL)
    raise AdapterError("SourceUnreachable", f"The download of {source.repository} ended before its end.", passes=True)
