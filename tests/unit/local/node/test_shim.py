"""The shim as a process of its own: what it leaves in its folder, whatever the program does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from kaito.local.node import enter, shim
from kaito.local.node.containers import ContainerStart
from kaito.local.node.records import Record, read_record


def begin(folder: Path, *argv: str, grace: float = 5, **more: Any) -> subprocess.Popen[bytes]:
    (folder / "root").mkdir(exist_ok=True)
    start = ContainerStart(Record("u", "main", 0), list(argv), dict(os.environ), str(folder), grace, **more)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", shim.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(start.wire(folder))
    process.stdin.close()
    process.stdout.read()  # ends when the program has started, or has failed to
    return process


def ended(folder: Path, process: subprocess.Popen[bytes]) -> Record:
    process.wait(20)
    record = read_record(folder)
    assert record is not None
    return record


def output(folder: Path) -> list[str]:
    return [line.split(" ", 3)[3] for line in (folder / "log").read_text().splitlines()]


@pytest.mark.parametrize(
    ("script", "code", "number", "reason"),
    [
        ("exit 0", 0, 0, "Completed"),
        ("exit 7", 7, 0, "Error"),
        ("kill -9 $$", 137, 9, "Error"),
        ("kill -TERM $$", 143, 15, "Error"),
    ],
)
def test_how_the_program_ended_is_recorded(tmp_path: Path, script: str, code: int, number: int, reason: str) -> None:
    record = ended(tmp_path, begin(tmp_path, "sh", "-c", script))
    assert (record.phase, record.exit_code, record.signal, record.reason) == ("exited", code, number, reason)
    assert record.started_at < record.finished_at


def test_both_streams_are_logged_with_their_names(tmp_path: Path) -> None:
    ended(tmp_path, begin(tmp_path, "sh", "-c", "echo out; echo err >&2; printf end"))
    tags = {tuple(line.split(" ")[1:]) for line in (tmp_path / "log").read_text().splitlines()}
    assert tags == {("stdout", "F", "out"), ("stderr", "F", "err"), ("stdout", "F", "end")}


def test_a_running_program_is_named_by_pid_and_start_time(tmp_path: Path) -> None:
    process = begin(tmp_path, "sleep", "1000")
    record = read_record(tmp_path)
    assert record is not None
    assert record.phase == "running"
    assert shim.start_ticks(record.pid) == record.start
    assert record.shim_pid == process.pid
    assert psutil.Process(process.pid).memory_info().rss < 14 * 2**20
    process.send_signal(signal.SIGTERM)
    assert ended(tmp_path, process).exit_code == 143


def test_an_attempt_runs_once_whatever_is_asked(tmp_path: Path) -> None:
    first = begin(tmp_path, "sh", "-c", "echo once; exec sleep 1000")
    assert begin(tmp_path, "sh", "-c", "echo twice").wait(20) == shim.LOCKED_EXIT
    first.send_signal(signal.SIGTERM)
    ended(tmp_path, first)
    assert begin(tmp_path, "sh", "-c", "echo again").wait(20) == shim.LOCKED_EXIT
    assert output(tmp_path) == ["once"]


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace_in_the_stop_file(tmp_path: Path) -> None:
    process = begin(tmp_path, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done", grace=1000)
    while not output(tmp_path):  # SIGTERM must not come before the trap
        assert process.poll() is None
    (tmp_path / "stop").write_bytes(msgspec.json.encode({"grace": 0.3}))
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert ended(tmp_path, process).exit_code == 137
    assert time.monotonic() - began < 10


def test_the_end_of_the_program_ends_what_it_left_even_in_sessions_of_its_own(tmp_path: Path) -> None:
    process = begin(tmp_path, "sh", "-c", "(setsid sleep 1000 &) ; setsid sleep 1000 & sleep 0.2; echo $!; exit 3")
    record = ended(tmp_path, process)
    assert record.exit_code == 3
    left = int(output(tmp_path)[0])
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("mounted", [False, True])
def test_a_program_that_cannot_be_executed_is_a_start_error(tmp_path: Path, mounted: bool) -> None:
    (tmp_path / "source").mkdir()
    mount: Any = {"source": str(tmp_path / "source"), "target": "/kaito-test/x", "readOnly": False, "file": False}
    record = ended(tmp_path, begin(tmp_path, "no-such-program", mounts=[mount] if mounted else []))
    assert (record.phase, record.exit_code, record.reason) == ("exited", 128, "StartError")
    assert record.message == 'exec: "no-such-program": executable file not found in $PATH'


def test_mounts_are_seen_by_the_program_alone(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "key").write_text("from-volume\n")
    mounts: Any = [
        {"source": str(source), "target": "/kaito-test/deep/volume", "readOnly": True, "file": False},
        {"source": str(source / "key"), "target": "/etc/kaito-test-key", "readOnly": False, "file": True},
        {"source": str(source), "target": "/mnt/kaito-test", "readOnly": False, "file": False},
    ]
    script = "cat /kaito-test/deep/volume/key /etc/kaito-test-key; touch /kaito-test/deep/volume/x; echo $?; echo y > /mnt/kaito-test/y; test -r /etc/passwd -a -d /proc/self -a -d /dev/shm -a -w /tmp && echo host"  # noqa: E501
    assert ended(tmp_path, begin(tmp_path, "sh", "-c", script, mounts=mounts)).exit_code == 0
    assert [line for line in output(tmp_path) if "Read-only" not in line] == ["from-volume", "from-volume", "1", "host"]
    assert (source / "y").read_text() == "y\n"
    for path in ("/kaito-test", "/etc/kaito-test-key", "/mnt/kaito-test"):
        assert not Path(path).exists()
    assert enter.covers(mounts)[0] == "/"
