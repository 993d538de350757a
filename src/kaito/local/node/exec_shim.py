"""Runs one command of `kubectl exec` in a container: `python -I -S exec_shim.py FD`, standard library only.

FD is read to its end: a JSON document with `argv`, `env`, `join` (the pid of the container's program), `tty`, `control`
(a descriptor) and `enterProgram`. Descriptors 0, 1 and 2 are the command's own; with `tty` they are a terminal, which
becomes its controlling one.

The exit code is written to `control` as a line. When the other end of `control` is closed before, the client is gone,
and the command is hung up. What the command leaves in the background is the container's: it ends with it.
"""

# pathlib would double the memory:
# ruff: noqa: PTH123, PTH208, SIM105
from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import sys
import termios
import time

TYPE_CHECKING = False  # as typing has it, without importing typing
if TYPE_CHECKING:
    from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
HANGUP_SECONDS = 2.0
"""How long a command has after SIGHUP."""


def children_of(parent: int) -> list[int]:
    """Return the pids of the live children of `parent`."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent and fields[0] != b"Z":
                found.append(int(name))
    return found


def send(pid: int, number: int) -> None:
    """Signal a process, or with a negative pid a group, that may have ended."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def run_command(config: dict[str, Any]) -> None:
    """In the child: enter the container and become the command."""
    try:
        os.setsid()
        if config["tty"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        document = {"argv": config["argv"], "env": config["env"], "failure": 2, "join": config["join"]}
        fd = os.memfd_create("kaito", 0)
        os.set_inheritable(fd, True)
        os.write(fd, json.dumps(document).encode())
        os.lseek(fd, 0, os.SEEK_SET)
        os.execve(sys.executable, [sys.executable, "-I", "-S", config["enterProgram"], str(fd)], {})  # noqa: S606 - to execute is what it is for
    except BaseException as error:  # noqa: BLE001 - the child must not return into the parent's code
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(126)


class Command:
    """Watches one command, its client and its container."""

    def __init__(self, config: dict[str, Any], wake: int) -> None:
        self.wake = wake
        self.control: int = config["control"]
        self.container = os.pidfd_open(config["join"])
        self.ended = False
        self.kill_at: float | None = None
        self.pid = os.fork()
        if self.pid == 0:
            run_command(config)

    def supervise(self) -> None:
        """Return when neither the command nor anything that it left runs, or when the container has ended."""
        poll = select.poll()
        for fd in (self.wake, self.control, self.container):
            poll.register(fd, select.POLLIN)
        while not self.ended or children_of(os.getpid()):
            timeout = None if self.kill_at is None else max(0.0, self.kill_at - time.monotonic()) * 1000 + 1
            for fd, _ in poll.poll(timeout):
                if fd == self.container:
                    return
                if fd == self.wake:
                    os.read(fd, 512)
                else:
                    poll.unregister(fd)
                    self.hang_up()
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                self.kill_at = None
                send(-self.pid, signal.SIGKILL)
            self.reap()

    def hang_up(self) -> None:
        """End the command as a closed terminal would: the client is gone."""
        if not self.ended:
            send(-self.pid, signal.SIGHUP)
            send(-self.pid, signal.SIGCONT)
            self.kill_at = time.monotonic() + HANGUP_SECONDS

    def reap(self) -> None:
        """Collect ended children, and tell how the command ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.tell(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))

    def tell(self, code: int) -> None:
        """Write the exit code, and let go of the command's descriptors."""
        self.ended = True
        self.kill_at = None
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        try:
            os.write(self.control, b"%d\n" % code)
        except OSError:
            pass

    def end_all(self) -> None:
        """End what is left, with all its descendants: orphans come to this process."""
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        while children := children_of(os.getpid()):
            for pid in children:
                send(pid, signal.SIGKILL)
            if poll.poll(50):
                os.read(self.wake, 512)
            self.reap()


def main() -> None:
    """Run one command."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        config: dict[str, Any] = json.loads(file.read())
    os.set_inheritable(config["control"], False)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake, wake_end = os.pipe()
    os.set_blocking(wake_end, False)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    try:
        command = Command(config, wake)
    except ProcessLookupError:
        os.write(2, b"the container has ended\n")
        os._exit(126)
    command.supervise()
    command.end_all()


if __name__ == "__main__":
    main()
