"""A remote command, apart from how it is carried: which streams there are, and how its end is told.

Source: k8s.io/kubelet/pkg/cri/streaming/remotecommand, and k8s.io/client-go/tools/remotecommand.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from kaito.core.objects import Object


class Source(Protocol):
    """Where bytes come from."""

    async def read(self) -> bytes:
        """Return what has come, empty at the end."""


class Sink(Protocol):
    """Where bytes go to."""

    async def write(self, data: bytes) -> None:
        """Send; raises ConnectionError when nobody is there any more."""


class Size(NamedTuple):
    """A terminal's size in characters."""

    columns: int
    rows: int


@dataclass(frozen=True)
class Wanted:
    """The streams that a request asks for. With `tty`, standard error comes on standard output."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def wanted_streams(query: Mapping[str, str]) -> Wanted:
    """Read the query of an exec or attach request; raises ValueError when it asks for no stream, or for a bad mix."""

    def flag(name: str) -> bool:
        return query.get(name, "").lower() in ("1", "t", "true")

    tty = flag("tty")
    wanted = Wanted(flag("input"), flag("output"), flag("error") and not tty, tty)
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        raise ValueError("you must specify at least 1 of stdin, stdout, stderr")
    return wanted


@dataclass
class Channels:
    """One client's ends of a command's streams; those it did not ask for are None. `sizes` are of its terminal."""

    stdin: Source | None = None
    stdout: Sink | None = None
    stderr: Sink | None = None
    sizes: Source | None = None


async def terminal_sizes(source: Source) -> AsyncIterator[Size]:
    """Yield the sizes that a client sends, as JSON documents one after the other; what is broken is passed over."""
    decoder, text = json.JSONDecoder(), ""
    while data := await source.read():
        text = (text + data.decode(errors="replace")).lstrip()
        while text:
            try:
                document, end = decoder.raw_decode(text)
            except ValueError:
                break
            text = text[end:].lstrip()
            try:
                size = Size(int(document["Width"]), int(document["Height"]))
            except (KeyError, TypeError, ValueError):
                continue
            if 0 < size.columns < 1 << 16 and 0 < size.rows < 1 << 16:
                yield size
        text = text[-256:]  # no size is longer


def exit_status(code: int) -> Object:
    """Return the `metav1.Status` that tells how a command ended."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure_status(message: str) -> Object:
    """Return the `metav1.Status` of a command that could not be run, or whose end is unknown."""
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}


def status_for(protocol: str, status: Object) -> bytes:
    """Word the end for a stream protocol: JSON since v4; before it the text of a failure alone."""
    if protocol.startswith(("v4", "v5")):
        return msgspec.json.encode(status)
    return b"" if status["status"] == "Success" else str(status["message"]).encode()
