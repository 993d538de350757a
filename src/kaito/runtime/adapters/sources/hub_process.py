"""The process that downloads an adapter from a hub: one JSON object a line says how far it is, and how it ended."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kaito.runtime.adapters.sources.unpacking import WANTED

SAMPLE_SECONDS = 0.5


def main(arguments: list[str], say: Callable[[dict[str, Any]], None]) -> None:
    """Download `REPOSITORY REVISION CACHE LARGEST`, and say how it ended."""
    from kaito.runtime.hub import HubError, HubModel

    repository, revision, cache, largest = arguments
    model = HubModel(repository, revision, Path(cache), WANTED)
    try:
        size, here = model.size()
        if size > int(largest):
            say({"reason": "TooLarge", "message": f"{repository} has {size} bytes; {largest} are taken."})
            return
        model.check_room(size - here)
        ended = threading.Event()
        threading.Thread(target=_report, args=(model.bytes_here, size, say, ended), daemon=True).start()
        folder = model.download()
        ended.set()
        say({"done": size, "total": size})
        say({"folder": str(folder)})
    except HubError as error:
        say({"reason": error.reason, "message": error.message})


def _report(here: Callable[[], int], total: int, say: Callable[[dict[str, Any]], None], ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_SECONDS):
        say({"done": min(here(), total), "total": total})


def _print(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:], _print)
