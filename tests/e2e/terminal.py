"""A command in a terminal of its own, typed into and read as a person does."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Terminal:
    """The master's side of a command's pseudo-terminal, and all that was shown so far."""

    def __init__(self, command: list[str], environment: dict[str, str], rows: int, columns: int) -> None:
        self._master, terminal = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(terminal)
        self.shown = ""

    def type(self, text: str) -> None:
        """Press keys; Enter is `\\r`."""
        os.write(self._master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size, which tells the command with SIGWINCH."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, words: str, timeout: float = 60) -> str:
        """Read until `words` are shown; return what came before them since the last call."""
        deadline = time.monotonic() + timeout
        while words not in self.shown:
            if not self._read(deadline):
                pytest.fail(f"never shown: {words!r}; shown: {self.shown!r}", pytrace=False)
        before, _, self.shown = self.shown.partition(words)
        return before

    def end(self, timeout: float = 60) -> int:
        """Read until the command has ended; return its exit code. What it showed meanwhile is added to `shown`."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)

    def close(self) -> None:
        """End what still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(command: list[str], environment: dict[str, str], rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    """Run a command in a new terminal; it is ended with the block."""
    opened = Terminal(command, environment, rows, columns)
    try:
        yield opened
    finally:
        opened.close()
