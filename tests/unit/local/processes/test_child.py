"""Children as real processes."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kaito.core.clock import SystemClock
from kaito.local.processes import Child, ChildSpec, ProcessIdentity, ProcessRecord, Records, end_leftovers, identify


class ImpatientClock(SystemClock):
    """Back-off takes no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def shell(tmp_path: Path, script: str, stop_seconds: float = 5) -> tuple[Child, Records]:
    records = Records(tmp_path / "run")
    spec = ChildSpec("one", ("/bin/sh", "-c", script), tmp_path / "one.log", stop_seconds=stop_seconds)
    return Child(spec, records, ImpatientClock()), records


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process raises no event here
            await asyncio.sleep(0.01)


async def test_a_child_is_recorded_while_it_runs_and_logs_to_its_file(tmp_path: Path) -> None:
    child, records = shell(tmp_path, "echo hello; exec sleep 600")
    running = asyncio.create_task(child.keep_running())
    await until(lambda: (tmp_path / "one.log").exists() and "hello" in (tmp_path / "one.log").read_text())
    record = records.read("one")
    assert record is not None
    assert record.pid == child.pid
    assert os.getpgid(record.pid) == record.pid
    await child.stop()
    await running
    assert records.read("one") is None
    assert not record.identity.alive()


async def test_a_crashed_child_is_started_again(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    child, _ = shell(tmp_path, f"echo x >> {marks}; exit 3")
    running = asyncio.create_task(child.keep_running())
    await until(lambda: child.crashes >= 3)
    await child.stop()
    await running
    assert len(marks.read_text().splitlines()) >= 3


async def test_a_child_that_ignores_sigterm_is_killed_with_its_group(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap '' TERM; sleep 600 & echo $! > {ready}; wait; sleep 600"
    child, _ = shell(tmp_path, script, stop_seconds=0.2)
    running = asyncio.create_task(child.keep_running())
    await until(lambda: ready.exists() and ready.read_text().strip())
    grandchild = identify(int(ready.read_text()))
    assert grandchild is not None
    await child.stop()
    await running
    await until(lambda: not grandchild.alive())


async def test_what_a_dead_supervisor_left_is_ended(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec("/bin/sleep", "600", start_new_session=True)
    found = identify(process.pid)
    assert found is not None
    records = Records(tmp_path / "run")
    records.write(ProcessRecord("left", found.pid, found.start_ticks))
    waiting = asyncio.create_task(process.wait())
    ended = await asyncio.to_thread(end_leftovers, records, tmp_path / "nodes")
    assert ended == ["left"]
    assert await waiting != 0
    assert records.all() == []


async def test_a_reused_pid_is_never_signalled(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec("/bin/sleep", "600", start_new_session=True)
    found = identify(process.pid)
    assert found is not None
    records = Records(tmp_path / "run")
    records.write(ProcessRecord("other", found.pid, found.start_ticks - 1))
    assert await asyncio.to_thread(end_leftovers, records, tmp_path / "nodes") == []
    assert found.alive()
    process.kill()
    await process.wait()


async def test_containers_of_a_dead_node_are_found_by_their_records_and_ended(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec("/bin/sleep", "600", start_new_session=True)
    found = identify(process.pid)
    assert found is not None
    attempt = tmp_path / "nodes" / "n" / "pods" / "u" / "containers" / "c" / "0"
    attempt.mkdir(parents=True)
    state = f'{{"shimPid": 1, "shimStart": 1, "pid": {found.pid}, "start": {found.start_ticks}}}'
    (attempt / "state.json").write_text(state)
    waiting = asyncio.create_task(process.wait())
    ended = await asyncio.to_thread(end_leftovers, Records(tmp_path / "run"), tmp_path / "nodes")
    assert ended == ["n/pods/u/containers/c/0"]
    assert await waiting != 0


def test_our_own_process_is_identified_and_has_memory() -> None:
    own = identify(os.getpid())
    assert own is not None
    assert own.alive()
    assert own.resident_bytes() > 1_000_000
    assert not ProcessIdentity(own.pid, own.start_ticks + 1).alive()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": 1}'])
def test_a_torn_record_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    assert Records(tmp_path).all() == []


async def test_our_programs_are_found_on_path(tmp_path: Path) -> None:
    child, _ = shell(tmp_path, "echo $PATH; exec sleep 600")
    running = asyncio.create_task(child.keep_running())
    await until(lambda: (tmp_path / "one.log").exists() and (tmp_path / "one.log").read_text())
    await child.stop()
    await running
    assert str(Path(sys.executable).parent) in (tmp_path / "one.log").read_text().strip().split(":")
