"""Waits until a process answers /readyz, or says why it will not."""

import ssl
from pathlib import Path

import aiohttp
import orjson

from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.local.processes import Child

POLL_SECONDS = 0.1
READY_SECONDS = 60.0
"""How long a process may take to be ready; the slowest takes about five on two busy cores."""


async def wait_ready(
    child: Child, url: str, clock: Clock, *, ca_file: Path | None = None, token_file: Path | None = None
) -> None:
    """Return when `url` answers 200. KaitoError (ProcessFailed, NotReady) names the process and its log."""
    end = clock.monotonic() + READY_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while True:
            if child.crashes:
                raise KaitoError(
                    "ProcessFailed",
                    f"{child.spec.name} ended at its start: {last_words(child.spec.log)}",
                    terminal=True,
                    remedy=f"Its log is {child.spec.log}.",
                )
            if await _answers(session, url, ca_file, token_file):
                return
            if clock.monotonic() > end:
                raise KaitoError(
                    "NotReady",
                    f"{child.spec.name} is not ready after {READY_SECONDS:.0f} s: {last_words(child.spec.log)}",
                    terminal=True,
                    remedy=f"Its log is {child.spec.log}.",
                )
            await clock.sleep(POLL_SECONDS)


async def _answers(session: aiohttp.ClientSession, url: str, ca_file: Path | None, token_file: Path | None) -> bool:
    try:
        headers = _authorization(token_file)
        context = ssl.create_default_context(cafile=str(ca_file)) if ca_file is not None else True
        async with session.get(url, headers=headers, ssl=context) as answer:
            return answer.status == 200
    except (TimeoutError, aiohttp.ClientError, OSError):
        return False  # not there yet, or its certificate is not


def _authorization(token_file: Path | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_file.read_text().strip()}"} if token_file is not None else {}


def last_words(log: Path) -> str:
    """Return the last line of a log, the message alone where it is one of our JSON lines."""
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return "it wrote no log"
    if not lines:
        return "it wrote no log"
    try:
        said = orjson.loads(lines[-1])
    except orjson.JSONDecodeError:
        return lines[-1].strip()
    if not isinstance(said, dict):
        return lines[-1].strip()
    return " ".join(str(said[name]) for name in ("msg", "error") if said.get(name))
