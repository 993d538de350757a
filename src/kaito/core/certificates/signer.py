"""Asks the signing process: makes generations, reads Secrets."""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from kaito.core.certificates.generation import Generation, authority_of, generation_of
from kaito.core.certificates.material import Material, parts_of
from kaito.core.errors import KaitoError

_PROGRAM: Final = str(Path(__file__).with_name("signing.py"))


async def issue(names: Iterable[str], now: datetime, lifetime: timedelta) -> Generation:
    """Return a new generation for these DNS names and IP addresses. KaitoError SigningFailed."""
    question = {"names": sorted(set(names)), "now": now.timestamp(), "lifetime": lifetime.total_seconds()}
    return generation_of((await _ask({"issue": question}))["generation"])


async def read_secret(data: Mapping[str, str]) -> Material:
    """Return what the `data` of a Secret says.

    ValueError where a part is missing or broken; KaitoError SigningFailed.
    """
    parts = parts_of(data)
    answer = await _ask({"read": {"bundle": parts.bundle, "pairs": parts.pairs}})
    if error := answer.get("error"):
        raise ValueError(error)
    current, *upcoming = (generation_of(one) for one in answer["generations"])
    authorities = tuple(authority_of(one) for one in answer["authorities"])
    return Material(current, authorities, upcoming[0] if upcoming else None, parts.next_after)


async def _ask(question: Mapping[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        _PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        answer, complaint = await process.communicate(orjson.dumps(question))
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        said = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise KaitoError("SigningFailed", f"the signing process ended with {process.returncode}: {said}")
    found: dict[str, Any] = orjson.loads(answer)
    return found
