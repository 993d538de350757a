"""How far a download from the hub is, by the bytes that its folder has gained. vLLM itself tells nobody."""

import asyncio
from pathlib import Path

from kaito.runtime.status import StatusBoard

SAMPLE_SECONDS = 2.0


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder, those still being written too. Links are not followed twice."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
        except OSError:
            continue  # renamed while we looked
    return total


async def watch_download(board: StatusBoard, folder: Path) -> None:
    """Record the bytes that came since the start, until the weights are loaded."""
    before = await asyncio.to_thread(folder_bytes, folder)
    while board.state.stage in {"importing", "loading"}:
        await asyncio.sleep(SAMPLE_SECONDS)
        now = await asyncio.to_thread(folder_bytes, folder)
        board.weights(loaded=max(0, now - before))
