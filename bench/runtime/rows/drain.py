"""SIGTERM while fifty streams are open and clients go on asking: who loses an answer, and how soon it is known."""

import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from bench.rows.row import Figures, Medians, Row, Run, Verdict, at_least, at_most
from bench.runtime.clients import Clients, clients
from bench.runtime.device import Device
from bench.runtime.models import Shape
from bench.runtime.servers import MODEL, Server, running
from bench.runtime.workbench import lora_flags, workbench

STREAMS: Final = 50
TOKENS: Final = 400
FOLLOW_SECONDS: Final = 3.0
"""How long other clients still come: as long as a cluster may take to learn that a pod is going."""

READY_PATHS: Final = {"kaito": "/readyz", "plain": "/health"}
GONE_SECONDS: Final = 60.0


def run(device: Device, shape: Shape, peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """End a server in the middle of its work, ours once a round; vLLM's own once, to compare."""
    with workbench(device, shape) as bench, clients() as asking:
        setting = bench.setting(lora=(*lora_flags(slots=2, rank=device.adapter_rank), "--max-num-seqs=64"))
        for number in range(1, rounds + 1):
            for peer in peers if number == 1 else [peer for peer in peers if peer == "kaito"]:
                with running([peer], {peer: setting}) as servers:
                    yield Run(peer, number, once(servers[peer], asking))


def once(server: Server, asking: Clients) -> Figures:
    """Open the streams, send SIGTERM, and see what becomes of everyone."""
    url = f"{server.url}/v1/completions"
    streams = asking.begin(url, [_body(TOKENS)], concurrency=STREAMS, requests=STREAMS, stream=True)
    others = asking.begin(url, [_body(1)], concurrency=2, pause=0.02)
    time.sleep(1.0)
    server.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    while server.ask(READY_PATHS[server.peer])[0] == 200 and time.monotonic() - told < GONE_SECONDS:
        time.sleep(0.002)
    unready = time.monotonic() - told
    time.sleep(max(0.0, FOLLOW_SECONDS - unready))
    came = asking.finish(others)
    opened = asking.result(streams)
    last = max((answer.end for answer in opened.answers), default=told)
    while server.process.poll() is None and time.monotonic() - told < GONE_SECONDS:
        time.sleep(0.02)
    return {
        "streams": STREAMS,
        "streams that went on after SIGTERM": sum(answer.end > told for answer in opened.answers),
        "streams broken": opened.failed(),
        "other requests": len(came.answers),
        "other requests not answered": came.failed(),
        "not ready after ms": 1000 * unready,
        "exit after the last stream s": time.monotonic() - last,
    }


def _body(tokens: int) -> dict[str, Any]:
    return {"model": MODEL, "prompt": "Tell me something.", "max_tokens": tokens, "ignore_eos": True}


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    open_streams = "streams that went on after SIGTERM"
    return [
        at_least(f"{STREAMS} streams are open when SIGTERM comes", own.get(open_streams), STREAMS),
        at_most("no stream is broken", own.get("streams broken"), 0),
        at_most(
            f"who comes within {FOLLOW_SECONDS:.0f} s of SIGTERM is answered", own.get("other requests not answered"), 0
        ),
        at_most("/readyz says 503 within 100 ms", own.get("not ready after ms"), 100, " ms"),
    ]


def row(device: Device, shape: Shape) -> Row:
    """Return the row."""
    return Row(
        "drain",
        f"SIGTERM under {STREAMS} open streams of {TOKENS} tokens and two clients that go on ({shape.name} model)",
        ("kaito", "plain"),
        partial(run, device, shape),
        verdicts,
    )
