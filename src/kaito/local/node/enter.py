"""Become a program inside a container's own view of the file system: `python -I -S enter.py FD`, standard library only.

FD is read to its end: a JSON document with `argv`, `env`, `cwd`, `failure` (a descriptor that gets the reason of a
failure; it closes by itself on success) and either `mounts` (make a private mount namespace with them, then execute) or
`join` (a pid: execute in the namespaces of that process).

How a mount point that the host does not have comes about without touching the host: inside the private namespace its
deepest existing parent is covered with a tmpfs that holds a bind mount of each of the parent's entries, and the
new directory. Where the parent is `/` itself, the tmpfs becomes the new root (pivot_root). No overlay file system is
needed, and it works in a user namespace as well.
"""

# pathlib is slow to import, and this is on the way of every container's start:
# ruff: noqa: PTH102, PTH103, PTH110, PTH112, PTH113, PTH114, PTH115, PTH116, PTH119, PTH120, PTH123, PTH208, PTH211
from __future__ import annotations

import ctypes
import json
import os
import sys

TYPE_CHECKING = False  # as typing has it, without importing typing
if TYPE_CHECKING:
    from typing import Any

    from kaito.local.node.mounts import Mount

PR_SET_PDEATHSIG = 1
SIGKILL = 9
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 1, 32, 4096, 16384, 1 << 19
MNT_DETACH = 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
FLAGS_KEPT = {2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}
"""statvfs flag -> mount flag (nosuid, nodev, noexec, noatime, nodiratime, relatime); a remount keeps locked ones."""
NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""Exit codes of a command that cannot be executed. Source: shells, and runc."""
ENTRIES_LIMIT = 512
"""Entries of a directory that may be covered: each costs one bind mount."""

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [None if value is None else os.fsencode(value) for value in (source, target, kind)]
    _check(_libc.mount(*encoded, ctypes.c_ulong(flags), data and data.encode()), f"mount {source} on {target}")


def covers(mounts: list[Mount], root: str = "") -> list[str]:
    """Return the directories that must be covered so that every mount point can exist, outermost first.

    `root` is put before every path (tests).
    Raises ValueError when one has more than `ENTRIES_LIMIT` entries.
    """
    found: list[str] = []
    for mount in mounts:
        target = root + mount["target"]
        exists = os.path.isfile(target) if mount["file"] else os.path.isdir(target)
        if exists:
            continue
        parent = os.path.dirname(target)
        while not os.path.isdir(parent):
            parent = os.path.dirname(parent)
        parent = os.path.realpath(parent)
        if parent not in found:
            if len(os.listdir(parent)) > ENTRIES_LIMIT:
                raise ValueError(f"{parent} has more than {ENTRIES_LIMIT} entries")
            found.append(parent)
    return sorted(found, key=lambda path: (path.count("/"), path))


def _fill(folder: str, source: str, target: str) -> None:
    """Bind every entry of `source` (a path that reaches the original directory) into `target`; `folder` comes first."""
    for name in sorted(os.listdir(source or "/"), key=lambda name: name != folder):
        old, new = f"{source}/{name}", f"{target}/{name}"
        if os.path.islink(old):
            os.symlink(os.readlink(old), new)
        elif os.path.isdir(old):
            os.mkdir(new)
            _mount(old, new, None, MS_BIND | MS_REC)
        else:
            os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o644))
            _mount(old, new, None, MS_BIND)


def _cover_root(scratch: str) -> bool:
    """Make a tmpfs with all of `/` in it the new root. Return True when the old root still lies over it.

    The old one stays until the volumes are mounted: a bind mount's source must be a mount of this namespace.
    """
    _mount("tmpfs", scratch, "tmpfs", 0, "mode=755")
    # The entry that holds the scratch folder goes first, while the tmpfs is empty: its copy of that is dropped again.
    first = scratch.strip("/").split("/")[0]
    _fill(first, "", scratch)
    _libc.umount2(os.fsencode(scratch + scratch), MNT_DETACH)
    os.chdir(scratch)
    number = PIVOT_ROOT.get(os.uname().machine)
    if number is not None and _libc.syscall(number, b".", b".") == 0:
        return True
    os.chroot(".")
    return False


def _cover(directory: str) -> None:
    """Put a tmpfs over a directory with everything that was in it."""
    original = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    mode = os.stat(directory).st_mode & 0o7777
    _mount("tmpfs", directory, "tmpfs", 0, f"mode={mode:o}")
    _fill("", f"/proc/self/fd/{original}", directory)
    os.close(original)


def private_namespace() -> None:
    """Leave the host's mount namespace; as an ordinary user through a user namespace. Raises OSError."""
    if os.geteuid() == 0:
        _check(_libc.unshare(CLONE_NEWNS), "unshare")
    else:
        user, group = os.geteuid(), os.getegid()
        _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWUSER), "unshare")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        _libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)  # new credentials have cleared it
    _mount(None, "/", None, MS_REC | MS_SLAVE)


def mount_all(mounts: list[Mount], scratch: str) -> None:
    """Make the mounts, parents before children. `scratch` is an empty directory of the host."""
    mounts = sorted(mounts, key=lambda mount: mount["target"].count("/"))
    sources = [os.open(mount["source"], os.O_PATH) for mount in mounts]
    done: list[str] = []
    pivoted = False
    while directories := covers(mounts):
        if directories[0] in done:
            raise OSError(f"{directories[0]} does not take the mount points below it")
        done.append(directories[0])
        if directories[0] == "/":
            pivoted = _cover_root(scratch)
        else:
            _cover(directories[0])
        for mount in mounts:
            _make_point(mount, directories[0])
    for mount, source in zip(mounts, sources, strict=True):
        _make_point(mount, "")
        _bind(f"/proc/self/fd/{source}", mount["target"], mount["readOnly"])
        os.close(source)
    if pivoted:
        _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")


def _make_point(mount: Mount, covered: str) -> None:
    """Make the mount point, once its parent is a tmpfs of ours (or another mount of this container)."""
    target = mount["target"]
    if os.path.exists(target):
        return
    parent = os.path.dirname(target)
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    if covered and os.path.realpath(parent) != covered:
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if mount["file"]:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    else:
        os.mkdir(target)


def _bind(source: str, target: str, read_only: bool) -> None:
    _mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        flags = os.statvfs(target).f_flag
        kept = sum(value for flag, value in FLAGS_KEPT.items() if flags & flag)
        _mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def join(pid: int) -> None:
    """Enter the user and mount namespaces, the root and the working directory of a process."""
    own = os.stat("/proc/self/ns/user").st_ino
    kinds = ("mnt",) if os.stat(f"/proc/{pid}/ns/user").st_ino == own else ("user", "mnt")
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY)
    folder = os.open(f"/proc/{pid}/cwd", os.O_PATH | os.O_DIRECTORY)
    if os.stat(f"/proc/{pid}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino:
        for fd in [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]:
            _check(_libc.setns(fd, 0), "setns")
        os.fchdir(root)
        os.chroot(".")
    os.fchdir(folder)


def main() -> None:
    """Enter and execute; on failure the reason goes to `failure`, and the exit code is 126 or 127."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        config: dict[str, Any] = json.loads(file.read())
    failure = os.dup(config["failure"])  # closes by itself; where it is standard error, that must stay open
    try:
        if config["failure"] > 2:
            os.close(config["failure"])
        if config.get("join"):
            join(config["join"])
        else:
            private_namespace()
            mount_all(config["mounts"], config["scratch"])
            os.chdir(config["cwd"] or "/")
        os.execvpe(config["argv"][0], config["argv"], config["env"])  # noqa: S606 - to execute is what it is for
    except OSError as error:
        reason, code = describe(error, config["argv"][0])
        os.write(failure, reason.encode() + b"\n" * (config["failure"] == 2))
        os._exit(code)
    except Exception as error:  # noqa: BLE001 - whatever it was, the pod's status must say it
        os.write(failure, f"{type(error).__name__}: {error}"[:4000].encode())
    os._exit(NOT_FOUND)


def describe(error: OSError, program: str) -> tuple[str, int]:
    """Word a failed exec as runc does, with the exit code that a shell would give."""
    own = os.path.basename(os.fsdecode(error.filename or "")) == os.path.basename(program)
    if own and isinstance(error, FileNotFoundError):
        return f'exec: "{program}": executable file not found in $PATH', NOT_FOUND
    if own and isinstance(error, PermissionError):
        return f'exec: "{program}": permission denied', NOT_EXECUTABLE
    return f"{type(error).__name__}: {error}"[:4000], NOT_EXECUTABLE


if __name__ == "__main__":
    main()
