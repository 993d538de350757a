"""The shim: one small process per container: starts the program, writes its log, outlives kaito-node, reports the end.

Run as `python -I -S shim.py` with a JSON document (`ContainerStart.wire`) on standard input, so that no secret touches
argv or a disk. It uses the standard library alone and imports as little of it as it can: its memory is paid once per
container.

What it leaves in the attempt's folder: `state.json` (replaced atomically), `log` (CRI lines; rotated to `log.1`),
`lock` (held while it lives). `stop` (JSON `{"grace": seconds}`) is read when it gets SIGTERM. Who wants the program's
own streams connects to a socket, whose descriptor it was given (attach_shim.py).
"""

# pathlib would double the memory that every container pays:
# ruff: noqa: PTH105, PTH110, PTH118, PTH119, PTH120, PTH123, PTH208, SIM105
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

    from kaito.local.node.attach_shim import Sessions

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LINE_LIMIT = 16 * 1024
"""Bytes of a line that one record may hold; longer lines are split into records tagged P. Source: CRI log format."""
LOG_LIMIT = 10 * 1024 * 1024
"""Bytes after which the log is rotated. Source: kubelet's containerLogMaxSize."""
LOCKED_EXIT = 75
"""Exit code when another shim has this attempt, or it has run already."""


class LogFile:
    """A container's log in CRI format: `<RFC 3339 nanoseconds> <stdout|stderr> <F|P> <line>`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1
        self.size = 0
        self.pending = {"stdout": b"", "stderr": b""}
        self._open()

    def _open(self) -> None:
        self.fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self.fd).st_size

    def feed(self, stream: str, data: bytes) -> None:
        """Add what the program wrote; whole lines are written at once, a rest waits for its end."""
        *lines, rest = (self.pending[stream] + data).split(b"\n")
        records = []
        for line in lines:
            while len(line) > LINE_LIMIT:
                records.append((b"P", line[:LINE_LIMIT]))
                line = line[LINE_LIMIT:]
            records.append((b"F", line))
        while len(rest) >= LINE_LIMIT:
            records.append((b"P", rest[:LINE_LIMIT]))
            rest = rest[LINE_LIMIT:]
        self.pending[stream] = rest
        self._write(stream, records)

    def flush(self) -> None:
        """Write what is left without a line end."""
        for stream, rest in self.pending.items():
            if rest:
                self._write(stream, [(b"F", rest)])
                self.pending[stream] = b""

    def _write(self, stream: str, records: list[tuple[bytes, bytes]]) -> None:
        if not records:
            return
        prefix = f"{rfc3339_nano(time.time_ns())} {stream} ".encode()
        data = b"".join(prefix + tag + b" " + line + b"\n" for tag, line in records)
        if self.size and self.size + len(data) > LOG_LIMIT:
            os.close(self.fd)
            os.replace(self.path, self.path + ".1")
            self._open()
        self.size += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]


def rfc3339_nano(nanoseconds: int) -> str:
    """Return Unix nanoseconds as `2026-01-02T03:04:05.000000006Z`."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot: with its pid its name for ever. 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


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


class Shim:
    """Supervises one program from its start to the end of its last descendant."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.folder = config["folder"]
        self.state = dict(config["record"])
        self.log = LogFile(os.path.join(self.folder, "log"))
        self.pid = 0
        self.status: int | None = None
        self.deadline: float | None = None
        self.streams: dict[int, str] = {}
        self.stdin = -1
        self.listener: int = config["listener"]
        self.sessions: Sessions | None = None
        self.told: set[int] = set()

    def save(self, **changes: object) -> None:
        """Replace `state.json`."""
        self.state.update(changes)
        path = os.path.join(self.folder, "state.json")
        fd = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(fd, json.dumps(self.state).encode())
        os.close(fd)
        os.replace(path + ".new", path)

    def start(self) -> bool:
        """Start the program. Return False, with state `failed` saved, when it cannot be executed."""
        self.save(phase="starting", shimPid=os.getpid(), shimStart=start_ticks(os.getpid()))
        failure, failure_end = os.pipe()
        theirs = self.connect()
        self.pid = os.fork()
        if self.pid == 0:
            run_program(self.config, theirs, failure_end)
        for fd in {failure_end, *theirs}:
            os.close(fd)
        self.save(phase="starting", pid=self.pid, start=start_ticks(self.pid), startedAt=rfc3339_nano(time.time_ns()))
        message = read_all(failure).decode(errors="replace")
        os.close(failure)
        if message:
            os.waitpid(self.pid, 0)
            now = rfc3339_nano(time.time_ns())
            self.save(phase="exited", exitCode=128, reason="StartError", message=message, finishedAt=now)
            return False
        self.save(phase="running")
        return True

    def connect(self) -> list[int]:
        """Make the program's descriptors 0, 1 and 2, and keep the other ends of them."""
        if self.state["tty"]:
            self.stdin, terminal = os.openpty()
            os.set_blocking(self.stdin, False)
            self.streams[self.stdin] = "stdout"
            return [terminal] * 3
        if self.state["stdin"]:
            stdin, self.stdin = os.pipe()
            os.set_blocking(self.stdin, False)
        else:
            stdin = os.open(os.devnull, os.O_RDONLY)
        theirs = [stdin]
        for stream in ("stdout", "stderr"):
            read, write = os.pipe()
            os.set_blocking(read, False)
            self.streams[read] = stream
            theirs.append(write)
        return theirs

    def interests(self, wake: int) -> dict[int, int]:
        """Return what to poll for, by descriptor: no output while a client of the streams must first read."""
        wanted = {wake: select.POLLIN}
        if self.listener >= 0:
            wanted[self.listener] = select.POLLIN
        held_up = self.sessions is not None and self.sessions.held_up()
        for fd in self.streams if not held_up else ():
            wanted[fd] = select.POLLIN
        for fd, events in self.sessions.interests().items() if self.sessions is not None else ():
            wanted[fd] = wanted.get(fd, 0) | events
        return wanted

    def accept(self) -> None:
        """Take a client of the streams. Whatever goes wrong with that must not end the container."""
        try:
            if self.sessions is None:
                sys.path.append(os.path.dirname(__file__))
                module = __import__("attach_shim")
                self.sessions = module.Sessions(self.log, self.stdin, self.state["tty"], self.state["stdinOnce"])
            self.sessions.accept(self.listener)
        except Exception:  # noqa: BLE001
            os.close(self.listener)
            self.listener = -1

    def supervise(self, wake: int) -> None:
        """Copy output until the program and all its descendants have ended."""
        while self.status is None or not self.end_descendants():
            poll = select.poll()
            for fd, events in self.interests(wake).items():
                poll.register(fd, events)
            for fd, events in poll.poll(self.timeout()):
                if fd == wake:
                    self.handle_signals(wake)
                elif fd == self.listener:
                    self.accept()
                elif fd in self.streams and events & ~select.POLLOUT:
                    self.copy(fd)
                if self.sessions is not None:
                    self.sessions.ready(fd, events)
            if self.deadline is not None and time.monotonic() >= self.deadline and self.status is None:
                self.signal(signal.SIGKILL)
            self.reap()
        for fd in list(self.streams):
            while self.copy(fd):
                pass
        self.log.flush()

    def timeout(self) -> float | None:
        """Return the milliseconds after which there is something to do even if nothing happens."""
        timeouts = []
        if self.deadline is not None:
            timeouts.append(max(0.0, self.deadline - time.monotonic()) * 1000 + 1)
        if self.status is not None:
            timeouts.append(50.0)
        if self.sessions is not None and self.sessions.sessions:
            timeouts.append(1000.0)
        return min(timeouts, default=None)

    def handle_signals(self, wake: int) -> None:
        """Act on the signals that came: SIGTERM starts, or shortens, the graceful end."""
        for number in os.read(wake, 64):
            if number == signal.SIGTERM:
                end = time.monotonic() + self.grace()
                known, self.deadline = self.deadline, end if self.deadline is None else min(end, self.deadline)
                if known is None:
                    self.save(stopping=True)
                    self.signal(signal.SIGTERM)

    def grace(self) -> float:
        """Return the seconds that the program has to end: from the `stop` file, else the pod's."""
        try:
            with open(os.path.join(self.folder, "stop"), "rb") as file:
                return max(0.0, float(json.loads(file.read())["grace"]))
        except (OSError, ValueError, KeyError, TypeError):
            return float(self.config["grace"])

    def signal(self, number: int) -> None:
        """Signal the program itself, as a runtime signals process 1 of a container; its zombie is no error."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def copy(self, fd: int) -> bool:
        """Copy what one stream has now. Return False when there is no more."""
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        if not data:
            self.streams.pop(fd, None)
            return False
        self.log.feed(self.streams[fd], data)
        if self.sessions is not None:
            self.sessions.output(self.streams[fd], data)
        return True

    def reap(self) -> None:
        """Collect ended children: the program's own status is the container's."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.status = status

    def end_descendants(self) -> bool:
        """End what the program left behind, as the end of process 1 ends a container. Return True when none is left.

        Within a graceful stop the rest gets SIGTERM once and the remaining grace; otherwise SIGKILL at once.
        """
        left = children_of(os.getpid())
        kill = self.deadline is None or time.monotonic() >= self.deadline
        for pid in left:
            if kill or pid not in self.told:
                self.told.add(pid)
                try:
                    os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
                except ProcessLookupError:
                    pass
        return not left

    def finish(self, status: int) -> None:
        """Record how the program ended: a signal counts as 128 + its number, as container runtimes have it."""
        killed = os.WIFSIGNALED(status)
        number = os.WTERMSIG(status) if killed else 0
        code = 128 + number if killed else os.WEXITSTATUS(status)
        reason = "Completed" if code == 0 else "Error"
        self.save(phase="exited", exitCode=code, signal=number, reason=reason, finishedAt=rfc3339_nano(time.time_ns()))


def run_program(config: dict[str, Any], theirs: list[int], failure_end: int) -> None:
    """In the child: become the program, or write why not to `failure_end`."""
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for target, fd in enumerate(theirs):
            os.dup2(fd, target)
        if config["record"]["tty"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if config["enter"]:
            program = {name: config[name] for name in ("argv", "cwd", "env")}
            document = memory_file(json.dumps({**config["enter"], **program, "failure": failure_end}).encode())
            os.set_inheritable(failure_end, True)
            os.execve(sys.executable, [sys.executable, "-I", "-S", config["enterProgram"], str(document)], {})  # noqa: S606 - to execute is what it is for
        os.chdir(config["cwd"] or "/")
        os.execvpe(config["argv"][0], config["argv"], config["env"])  # noqa: S606 - to execute is what it is for
    except BaseException as error:  # noqa: BLE001 - the child must not return into the shim's own code
        os.write(failure_end, (describe(error, config["argv"][0]))[:4000].encode())
    finally:
        os._exit(127)


def memory_file(data: bytes) -> int:
    """Return an inheritable descriptor from which `data` can be read: no pipe's size limit, and never on a disk."""
    fd = os.memfd_create("kaito", 0)
    os.set_inheritable(fd, True)
    while data:
        data = data[os.write(fd, data) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def describe(error: BaseException, program: str) -> str:
    """Word a failed exec as runc does."""
    missing = isinstance(error, FileNotFoundError) and os.path.basename(os.fsdecode(error.filename or program))
    if missing == os.path.basename(program):
        return f'exec: "{program}": executable file not found in $PATH'
    if isinstance(error, PermissionError):
        return f'exec: "{program}": permission denied'
    return f"{type(error).__name__}: {error}"


def read_all(fd: int) -> bytes:
    """Read to the end."""
    parts = []
    while part := os.read(fd, 65536):
        parts.append(part)
    return b"".join(parts)


def main() -> None:
    """Run one container."""
    config = json.loads(read_all(0))
    folder = config["folder"]
    lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os._exit(LOCKED_EXIT)
    if os.path.exists(os.path.join(folder, "state.json")):
        os._exit(LOCKED_EXIT)
    if config["listener"] >= 0:
        os.set_inheritable(config["listener"], False)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake, wake_end = os.pipe()
    os.set_blocking(wake_end, False)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    shim = Shim(config)
    started = shim.start()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (
        0,
        1,
        2,
    ):  # standard output was kaito-node's: its end says that the program has started, or has failed to
        os.dup2(null, fd)
    if started:
        del config["env"]
        shim.supervise(wake)
        shim.finish(shim.status or 0)
        if shim.sessions is not None:
            shim.sessions.finish()


if __name__ == "__main__":
    main()
