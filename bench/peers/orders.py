"""How a peer and the runner talk: orders on stdin (`begin`, `end`), JSON lines on stdout.

A peer says `{"ready": …}` when it may begin, `{"done": …}` when its workload is finished (for those that finish by
themselves), and after `end` one line with what it measured. The Go peer does the same.
"""

import argparse
import asyncio
import sys
import threading
from dataclasses import dataclass
from typing import Any, Final

import orjson

WORKLOADS: Final = ("bulk", "noop", "steady", "sync", "idle", "storm", "lead")


@dataclass(frozen=True)
class Options:
    """What a peer is started with."""

    server: str
    kubeconfig: str
    workload: str
    objects: int
    workers: int
    namespace: str
    name: str


def parse(description: str) -> Options:
    """Read the command line, which is the same for every peer."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--workload", choices=WORKLOADS, required=True)
    parser.add_argument("--server", default="", help="the replay server's address")
    parser.add_argument("--kubeconfig", default="", help="of a real server, instead")
    parser.add_argument("--objects", type=int, default=1000, help="primary objects to wait for")
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--name", default="bench", help="of the manager and its Lease")
    return Options(**vars(parser.parse_args()))


def say(**line: Any) -> None:
    """Tell the runner something."""
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


class Orders:
    """Orders as they arrive; a thread reads them, which costs nothing while there are none."""

    def __init__(self) -> None:
        self._orders: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def read() -> None:
            for line in sys.stdin:
                loop.call_soon_threadsafe(self._orders.put_nowait, line.strip())
            loop.call_soon_threadsafe(self._orders.put_nowait, "end")

        threading.Thread(target=read, daemon=True).start()

    async def wait_for(self, order: str) -> None:
        """Return when `order` has come; others before it are dropped."""
        while await self._orders.get() not in (order, "end"):
            pass
