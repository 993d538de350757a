"""The clients of a measurement, in a process of their own: orders as JSON lines on stdin, results as JSON on stdout.

An order has a URL, a body, how many ask at once, and how many requests there are; without a number they go on until the
order is ended. Connections are kept alive. Times are those of the machine's monotonic clock.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from bench.runtime.answers import Answered

LAST_EVENT = b"data: [DONE]"

KEEP_ALIVE_SECONDS = 2.0
"""Both servers close a connection that was idle for 5 s; one that is used at just that moment is lost."""


@dataclass
class Order:
    """What is to be asked. `bodies` are taken in turns; `texts`: the answers' texts are wanted (not of streams)."""

    id: int
    url: str
    bodies: list[dict[str, Any]]
    concurrency: int = 1
    requests: int | None = None
    stream: bool = False
    pause: float = 0.0
    texts: bool = False
    answers: list[Answered] = field(default_factory=list, init=False)
    ended: bool = field(default=False, init=False)
    begun: int = field(default=0, init=False)

    def take(self) -> int:
        """Return the number of the next request; -1 when there have been enough."""
        if self.ended or (self.requests is not None and self.begun >= self.requests):
            return -1
        self.begun += 1
        return self.begun - 1


async def carry_out(session: aiohttp.ClientSession, order: Order) -> dict[str, Any]:
    """Ask all there is to ask."""
    bodies = [json.dumps(body | ({"stream": True} if order.stream else {})).encode() for body in order.bodies]
    begin = time.monotonic()
    await asyncio.gather(*(_ask_on(session, order, bodies) for _ in range(order.concurrency)))
    return {
        "id": order.id,
        "seconds": time.monotonic() - begin,
        "answers": [asdict(answer) for answer in order.answers],
    }


async def _ask_on(session: aiohttp.ClientSession, order: Order, bodies: list[bytes]) -> None:
    while (number := order.take()) >= 0:
        order.answers.append(await _ask(session, order, bodies[number % len(bodies)]))
        if order.pause:
            await asyncio.sleep(order.pause)


async def _ask(session: aiohttp.ClientSession, order: Order, body: bytes) -> Answered:
    begin, status, content = time.monotonic(), 0, b""
    try:
        async with session.post(order.url, data=body, headers={"Content-Type": "application/json"}) as answer:
            status = answer.status
            content = await answer.read()
            whole = status != 200 or not order.stream or content.rstrip().endswith(LAST_EVENT)
    except (aiohttp.ClientError, TimeoutError, OSError):
        whole = False
    end = time.monotonic()
    return Answered(begin, end, status, _text(content) if order.texts and status == 200 and whole else "", whole)


def _text(content: bytes) -> str:
    found: str = json.loads(content)["choices"][0]["text"]
    return found


async def main() -> None:
    """Take orders until stdin ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=300)) as session:
        running: dict[int, tuple[Order, asyncio.Task[None]]] = {}

        async def run(order: Order) -> None:
            result = await carry_out(session, order)
            running.pop(order.id, None)
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()

        while line := await reader.readline():
            content = json.loads(line)
            if "end" in content:
                if content["end"] in running:
                    running[content["end"]][0].ended = True
            else:
                order = Order(**content)
                running[order.id] = (order, asyncio.create_task(run(order)))


if __name__ == "__main__":
    asyncio.run(main())
