"""The Markdown of what was measured, and its place in bench/RESULTS.md."""

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from bench.processes import OUTPUT, ROOT, TITLES
from bench.rows import ROWS
from bench.rows.row import Row, Run, Verdict, medians

RESULTS: Final = ROOT / "bench" / "RESULTS.md"
BEGIN: Final = "<!-- written by `make bench` -->"
END: Final = "<!-- end of what `make bench` writes -->"
_MARKS: Final = {True: "met", False: "**missed**", None: ""}


def render() -> str:
    """Return the tables of all rows that were measured."""
    measured = [(row, json.loads(path.read_text())) for row, path in _documents()]
    verdicts = [_summary(row, document) for row, document in measured]
    sections = [_section(row, document) for row, document in measured]
    head = ["## `kaito.core` beside its peers", "", machine(), ""]
    summary = ["| row | target | found | |", "|---|---|---|---|", *(line for lines in verdicts for line in lines)]
    return "\n".join([*head, *summary, "", *sections])


def write(path: Path = RESULTS) -> None:
    """Put the tables between the marks in RESULTS.md."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path} has no place for the table: {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n\n{render()}\n{END}{after}")


def machine() -> str:
    """Describe where this was measured, in general terms."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    parts = [
        f"{os.cpu_count()} cores, {pages / 2**30:.0f} GiB, Linux",
        f"CPython {platform.python_version()}",
        *(_version(name) for name in ("aiohttp", "msgspec", "orjson", "kopf")),
        *_go_versions(),
    ]
    return "; ".join(part for part in parts if part) + "."


def _documents() -> list[tuple[Row, Path]]:
    return [(row, path) for name, row in ROWS.items() if (path := OUTPUT / f"{name}.json").is_file()]


def _runs(document: dict[str, Any]) -> list[Run]:
    return [Run(**run) for run in document["runs"]]


def _summary(row: Row, document: dict[str, Any]) -> list[str]:
    return [_line(row, verdict) for verdict in row.verdicts(medians(_runs(document)))]


def _line(row: Row, verdict: Verdict) -> str:
    return f"| {row.name} | {verdict.target} | {verdict.found} | {_MARKS[verdict.met]} |"


def _section(row: Row, document: dict[str, Any]) -> str:
    found = medians(_runs(document))
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    peers = list(found)
    command = f"`make bench ROWS={row.name} ROUNDS={document['rounds']}`"
    took = f"{document['date']}, {document['took_seconds']} s, medians of {document['rounds']}"
    lines = [
        f"### {row.name}",
        "",
        f"{row.title[0].upper()}{row.title[1:]}. {command}, {took}.",
        "",
        "| figure | " + " | ".join(TITLES.get(peer, peer) for peer in peers) + " |",
        "|---|" + "---|" * len(peers),
        *(f"| {name} | " + " | ".join(_cell(found[peer].get(name)) for peer in peers) + " |" for name in names),
        "",
    ]
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:.3g}"


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def _go_versions() -> list[str]:
    module = (ROOT / "bench" / "peers" / "go" / "go.mod").read_text()
    wanted = ("k8s.io/client-go", "sigs.k8s.io/controller-runtime")
    lines = [line.split() for line in module.splitlines()]
    found = [f"{words[0].rpartition('/')[2]} {words[1]}" for words in lines if words and words[0] in wanted]
    try:
        go = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return []
    return [go, *found]
