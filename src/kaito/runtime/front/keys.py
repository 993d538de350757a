"""API keys of the serving port: only hashes are kept, compared in constant time, and the file is followed."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from kaito.runtime.config import Flags
from kaito.runtime.failure import FatalError

_log = structlog.get_logger("kaito.runtime")

KEY_VARIABLE = "VLLM_API_KEY"
"""Where vLLM finds an API key that no flag gives."""

LOOK_SECONDS = 2.0
"""How often the file is looked at. A Secret's new content is a new file behind a symbolic link."""

_HASHED = re.compile(r"(?P<name>[^\s:]+):sha256:(?P<digest>[0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Key:
    """One key: its name for the log, and the SHA-256 of what a client sends."""

    name: str
    digest: bytes


def keys_of_vllm(flags: Flags, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys that vLLM's own settings ask for; the flag wins over the variable, as there."""
    flag = flags.get("api-key")
    return tuple(key for key in (flag.values if flag else (environment.get(KEY_VARIABLE, ""),)) if key)


def parse_keys(text: str) -> tuple[list[Key], list[int]]:
    """Read a file of keys: one a line, plain or as `name:sha256:<hex>`; `#` begins a comment.

    Returns the keys and the numbers of the lines that are none. A plain key is named after its line.
    """
    keys: list[Key] = []
    wrong: list[int] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        hashed = _HASHED.fullmatch(line)
        if hashed:
            keys.append(Key(hashed["name"], bytes.fromhex(hashed["digest"])))
        elif ":sha256:" in line or any(character.isspace() or not character.isprintable() for character in line):
            wrong.append(number)
        else:
            keys.append(Key(f"line {number}", hashlib.sha256(line.encode()).digest()))
    return keys, wrong


class KeyRing:
    """Knows who may ask. `plain` are keys from the command line, kept beside those of the file."""

    def __init__(self, file: Path | None = None, plain: Iterable[str] = ()) -> None:
        """Read the file. Raises InvalidFlag where it cannot be read or has a line that is no key."""
        self._file = file
        self._given = [Key("flag", hashlib.sha256(key.encode()).digest()) for key in plain]
        self._keys = self._given
        self._seen = _stamp(file)
        if file is not None:
            try:
                found, wrong = parse_keys(file.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise _invalid(f"The file of API keys {file} cannot be read: {error}.") from None
            if wrong:
                raise _invalid(f"Line {wrong[0]} of the file of API keys {file} is no key.")
            self._keys = [*self._given, *found]

    @property
    def required(self) -> bool:
        """Whether a key is needed at all. With a file it is, even while the file is empty."""
        return self._file is not None or bool(self._given)

    def holder(self, authorization: bytes) -> str:
        """Return the name of the key in an `Authorization` header; empty when it is none of ours.

        Every key is compared, each in constant time, so that the time taken tells nothing.
        """
        scheme, _, token = authorization.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            return ""
        given = hashlib.sha256(token).digest()
        name = ""
        for key in self._keys:
            if hmac.compare_digest(given, key.digest):
                name = key.name
        return name

    async def follow(self) -> None:
        """Read the file again whenever it changes; never returns."""
        while self._file is not None:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Read the file if it has changed. A line that is no key is left out; a file that is gone lets nobody in."""
        stamp = _stamp(self._file)
        if self._file is None or stamp == self._seen:
            return
        try:
            found, wrong = parse_keys(self._file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            found, wrong, stamp = [], [], ()
            _log.error("the file of API keys cannot be read: its keys are no longer taken", error=str(error))
        for line in wrong:
            _log.error("a line of the file of API keys is no key", line=line)
        self._seen = stamp
        self._keys = [*self._given, *found]
        _log.info("API keys read", keys=len(self._keys))


def _stamp(file: Path | None) -> tuple[int, ...]:
    """Return what changes with a file's content, following links; empty when there is none."""
    if file is None:
        return ()
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _invalid(message: str) -> FatalError:
    return FatalError(
        "InvalidFlag",
        message,
        remedy="--kaito-api-keys-file takes one key a line, plain or as name:sha256:<64 hexadecimal digits>.",
    )
