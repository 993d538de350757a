"""The client process as the measurement sees it."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.processes import ROOT
from bench.runtime.answers import Answered

_TIMEOUT = 300.0


@dataclass(frozen=True)
class Asked:
    """What came of an order: how long it took as a whole, and every answer."""

    seconds: float
    answers: list[Answered]

    def failed(self) -> int:
        """Return how many answers were no whole 200."""
        return sum(answer.status != 200 or not answer.whole for answer in self.answers)

    def milliseconds(self) -> list[float]:
        """Return how long each answer took."""
        return [(answer.end - answer.begin) * 1000 for answer in self.answers]


class Clients:
    """Orders to the client process: `ask` waits for the result, `begin` and `finish` let it go on meanwhile."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.runtime.client"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._number = 0
        self._results: dict[int, queue.Queue[Asked]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, url: str, bodies: Sequence[Mapping[str, Any]], **order: Any) -> Asked:
        """Carry out an order of a fixed number of requests."""
        return self.result(self.begin(url, bodies, **order))

    def begin(self, url: str, bodies: Sequence[Mapping[str, Any]], **order: Any) -> int:
        """Begin an order; `client.Order` says what there is to say."""
        self._number += 1
        self._results[self._number] = queue.Queue()
        self._send({"id": self._number, "url": url, "bodies": list(bodies), **order})
        return self._number

    def finish(self, number: int) -> Asked:
        """Ask nothing more, and return what was answered."""
        self._send({"end": number})
        return self.result(number)

    def result(self, number: int) -> Asked:
        """Wait for an order's end. RuntimeError when there is none."""
        try:
            return self._results[number].get(timeout=_TIMEOUT)
        except queue.Empty:
            raise RuntimeError(f"the clients had no result within {_TIMEOUT:.0f} s") from None
        finally:
            del self._results[number]

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _send(self, content: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            content = json.loads(line)
            answers = [Answered(**answer) for answer in content["answers"]]
            self._results[content["id"]].put(Asked(content["seconds"], answers))


@contextmanager
def clients() -> Iterator[Clients]:
    """Run the client process during the block."""
    process = Clients()
    try:
        yield process
    finally:
        process.stop()
