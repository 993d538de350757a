"""The shim's side of `kubectl attach`: clients of the container's own streams. Loaded by a shim when the first comes.

A client connects to the socket `attach` in the attempt's folder. Both sides send frames: one byte that says what it is,
the length of what follows (4 bytes, big-endian), and that. The shim begins with where the log ended at that moment
(HELLO), so that a client can read there what came before; then comes what the program writes, as it comes.
"""

from __future__ import annotations

import _socket
import fcntl
import json
import os
import select
import termios
import time

TYPE_CHECKING = False  # as typing has it, without importing typing
if TYPE_CHECKING:
    from kaito.local.node.shim import LogFile

HELLO, STDOUT, STDERR, PENDING_STDOUT, PENDING_STDERR = 0, 1, 2, 3, 4
"""Frames to a client. PENDING: the line of each stream that is not in the log yet, because it has not ended."""
OUTPUT = {"stdout": STDOUT, "stderr": STDERR}
PENDING = {"stdout": PENDING_STDOUT, "stderr": PENDING_STDERR}
INPUT, END_OF_INPUT, RESIZE = 0, 1, 2
"""Frames of a client. RESIZE: a `struct winsize`."""
BUFFER = 1 << 20
"""Bytes for a client, or for the program's input, that wait before their sender is held up."""
STALL_SECONDS = 30.0
"""How long a client that reads nothing may hold the program up; then it is dropped."""
FLUSH_SECONDS = 2.0
"""How long clients have to read the rest once the program has ended."""
CONTROL_D = b"\x04"


def frame(kind: int, data: bytes) -> bytes:
    """Return one frame."""
    return bytes([kind]) + len(data).to_bytes(4, "big") + data


class Session:
    """One client."""

    def __init__(self, fd: int, greeting: bytes) -> None:
        self.fd = fd
        self.received = bytearray()
        self.to_send = bytearray(greeting)
        self.gave_input = False
        self.moved = time.monotonic()

    def send(self) -> bool:
        """Send what the client takes now. Return False when it is gone."""
        try:
            while self.to_send:
                del self.to_send[: os.write(self.fd, self.to_send[:65536])]
                self.moved = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def frames(self) -> list[tuple[int, bytes]]:
        """Take the whole frames from what was received."""
        found = []
        while len(self.received) >= 5:
            end = 5 + int.from_bytes(self.received[1:5], "big")
            if len(self.received) < end:
                break
            found.append((self.received[0], bytes(self.received[5:end])))
            del self.received[:end]
        return found


class Sessions:
    """All clients of one container. `once` is its stdinOnce: what the first client's end is for its input."""

    def __init__(self, log: LogFile, stdin: int, terminal: bool, once: bool) -> None:
        self.log = log
        self.stdin = stdin
        self.terminal = terminal
        self.once = once
        self.input = bytearray()
        self.input_ended = False
        self.sessions: dict[int, Session] = {}

    def accept(self, listener: int) -> None:
        """Take a new client, and tell it where the log ends."""
        server = _socket.socket(fileno=listener)
        try:
            fd, _ = server._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - `accept` is of the module socket, which would double the memory
        except OSError:
            return
        finally:
            server.detach()
        os.set_blocking(fd, False)
        position = {"inode": os.fstat(self.log.fd).st_ino, "size": self.log.size}
        greeting = frame(HELLO, json.dumps(position).encode())
        greeting += b"".join(frame(PENDING[name], rest) for name, rest in self.log.pending.items() if rest)
        self.sessions[fd] = Session(fd, greeting)

    def interests(self) -> dict[int, int]:
        """Return what to poll for, by descriptor."""
        reading = select.POLLIN if len(self.input) < BUFFER else 0
        wanted = {fd: reading | (select.POLLOUT if each.to_send else 0) for fd, each in self.sessions.items()}
        if self.input and self.stdin >= 0:
            wanted[self.stdin] = select.POLLOUT
        return wanted

    def held_up(self) -> bool:
        """Return whether a client must read before the program may write on; one that never does is dropped."""
        full = [each for each in self.sessions.values() if len(each.to_send) >= BUFFER]
        for each in full:
            if time.monotonic() - each.moved >= STALL_SECONDS:
                self.drop(each)
        return any(each.fd in self.sessions for each in full)

    def output(self, stream: str, data: bytes) -> None:
        """Pass on what the program wrote."""
        for each in list(self.sessions.values()):
            if not each.to_send:
                each.moved = time.monotonic()
            each.to_send += frame(OUTPUT[stream], data)
            if not each.send():
                self.drop(each)

    def ready(self, fd: int, events: int) -> None:
        """Act on what poll found."""
        if fd == self.stdin and events & (select.POLLOUT | select.POLLERR):
            self.write_input()
        session = self.sessions.get(fd)
        if session is None:
            return
        alive = session.send() if events & select.POLLOUT else True
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            alive = self.receive(session) and alive
        if not alive:
            self.drop(session)

    def receive(self, session: Session) -> bool:
        """Read what a client sent. Return False when it is gone."""
        try:
            data = os.read(session.fd, 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        session.received += data
        for kind, payload in session.frames():
            if kind == INPUT and not self.input_ended:
                session.gave_input = True
                self.input += payload
            elif kind == END_OF_INPUT and self.once:
                self.end_input()
            elif kind == RESIZE and self.terminal:
                fcntl.ioctl(self.stdin, termios.TIOCSWINSZ, payload)
        self.write_input()
        return bool(data)

    def end_input(self) -> None:
        """Let the program have no more input; a terminal stays open, and gets Ctrl-D."""
        if not self.input_ended:
            self.input_ended = True
            if self.terminal:
                self.input += CONTROL_D

    def write_input(self) -> None:
        """Give the program what it takes now; close its input when that was the last."""
        if self.stdin < 0:
            self.input.clear()
            return
        try:
            while self.input:
                del self.input[: os.write(self.stdin, self.input[:65536])]
        except BlockingIOError:
            return
        except OSError:  # the program reads no more
            self.input.clear()
        if self.input_ended and not self.terminal:
            os.close(self.stdin)
            self.stdin = -1

    def drop(self, session: Session) -> None:
        """Let go of a client. If it had the input of a container with stdinOnce, that has ended."""
        del self.sessions[session.fd]
        os.close(session.fd)
        if session.gave_input and self.once and not self.terminal:
            self.end_input()
            self.write_input()

    def finish(self) -> None:
        """Send the rest, and end."""
        deadline = time.monotonic() + FLUSH_SECONDS
        while waiting := [each for each in self.sessions.values() if each.to_send]:
            poll = select.poll()
            for each in waiting:
                poll.register(each.fd, select.POLLOUT)
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                break
            for each in waiting:
                if not each.send():
                    self.drop(each)
        for each in list(self.sessions.values()):
            self.drop(each)
