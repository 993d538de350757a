import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kaito.local.node.logs import LogOptions, parse_log_options, read_log, tail_offset
from kaito.local.node.shim import LogFile

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LINES = [f"2026-01-02T03:04:0{second}.000000000Z stdout F line {second}\n" for second in range(5)]


async def read(folder: Path, options: LogOptions) -> str:
    return b"".join([block async for block in read_log(folder, options, lambda: True)]).decode()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (LogOptions(), "line 0\nline 1\nline 2\nline 3\nline 4\n"),
        (LogOptions(tail=2), "line 3\nline 4\n"),
        (LogOptions(tail=0), ""),
        (LogOptions(tail=99, limit=8), "line 0\nl"),
        (LogOptions(since=datetime(2026, 1, 2, 3, 4, 3, tzinfo=UTC)), "line 3\nline 4\n"),
        (LogOptions(tail=1, timestamps=True), "2026-01-02T03:04:04.000000000Z line 4\n"),
    ],
)
async def test_what_kubectl_logs_asks_for_is_what_it_gets(tmp_path: Path, options: LogOptions, expected: str) -> None:
    (tmp_path / "log").write_text("".join(LINES))
    assert await read(tmp_path, options) == expected


async def test_a_line_in_parts_comes_back_whole(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"))
    log.feed("stdout", b"x" * 40_000 + b"\nshort")
    log.flush()
    text = (tmp_path / "log").read_text()
    assert [line.split(" ")[2] for line in text.splitlines()] == ["P", "P", "F", "F"]
    assert await read(tmp_path, LogOptions()) == "x" * 40_000 + "\nshort\n"


async def test_a_follower_goes_over_a_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaito.local.node.shim.LOG_LIMIT", 200)
    log = LogFile(str(tmp_path / "log"))
    log.feed("stdout", b"first\n")
    over = False
    blocks = read_log(tmp_path, LogOptions(follow=True), lambda: over)
    async with asyncio.timeout(10):
        followed = [await anext(blocks)]
        log.feed("stdout", b"second\n")
        log.feed("stdout", b"y" * 150 + b"\n")
        over = True
        (tmp_path / "state.json").touch()
        followed += [block async for block in blocks]
    assert (tmp_path / "log.1").exists()
    assert b"".join(followed) == b"first\nsecond\n" + b"y" * 150 + b"\n"


def test_the_tail_of_a_log_is_found_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(LINES))
    assert tail_offset(path, 2) == sum(len(line) for line in LINES[:3])
    path.write_bytes(b"")
    assert tail_offset(path, 2) == 0


@pytest.mark.parametrize("query", [{"tailLines": "-1"}, {"tailLines": "x"}, {"sinceTime": "yesterday"}])
def test_a_wrong_option_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_log_options(query, NOW)


def test_options_are_read_as_the_api_writes_them() -> None:
    found = parse_log_options({"follow": "true", "sinceSeconds": "60", "limitBytes": "9", "timestamps": "1"}, NOW)
    assert found == LogOptions(follow=True, timestamps=True, since=datetime(2026, 1, 2, 3, 3, 5, tzinfo=UTC), limit=9)
