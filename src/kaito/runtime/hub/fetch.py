"""Gets a model from the hub, however long that takes: what passes is tried again, and the board says how far it is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import structlog

from kaito.runtime.hub.hub_error import HubError
from kaito.runtime.hub.model import HubModel
from kaito.runtime.status import StatusBoard

SAMPLE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0

_log = structlog.get_logger("kaito.runtime.hub")


def fetch(
    model: HubModel,
    board: StatusBoard,
    admit: Callable[[int], Any] = lambda size: None,
    *,
    sleep: Callable[[float], None] = time.sleep,
    sample_seconds: float = SAMPLE_SECONDS,
) -> Path:
    """Return the folder of the model's files, complete.

    `admit` is told the bytes before any is downloaded, and may raise. Raises HubError for what does not pass by itself.
    A signal handler that raises ends it at once: the library works in threads that nobody waits for.
    """
    board.enter("loading", f"asking {model.endpoint} for {model.repository}")
    failures = 0
    while True:
        try:
            return _try(model, board, admit, sample_seconds)
        except HubError as error:
            if not error.passes:
                raise
            pause = min(2.0**failures, LONGEST_PAUSE_SECONDS)
            failures += 1
            _log.warning(error.message, reason=error.reason, again_in_seconds=pause)
            board.trouble(error.status())
        sleep(pause)


def _try(model: HubModel, board: StatusBoard, admit: Callable[[int], Any], sample_seconds: float) -> Path:
    size, here = _begun(model.size).result()
    admit(size)
    model.check_room(size - here)
    before, loaded = model.bytes_here(), here
    _log.info("downloading", model=model.repository, revision=model.revision, bytes=size, here=here)
    download = _begun(model.download)
    while not wait((download,), timeout=sample_seconds).done:
        loaded = min(size, max(loaded, here + model.bytes_here() - before))  # a file that is just renamed is missed
        board.weights(loaded=loaded, total=size)
        if loaded > here:
            board.trouble(None)
        board.enter("loading", f"downloading {loaded // 10**6} of {size // 10**6} MB")
    folder: Path = download.result()
    board.weights(loaded=size, total=size)
    board.trouble(None)
    return folder


def _begun(work: Callable[[], Any]) -> Future[Any]:
    """Do some work in a thread that does not keep the process alive."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, who waits for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, name="kaito-hub", daemon=True).start()
    return future
