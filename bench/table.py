"""The Markdown of what was measured, and its place in bench/RESULTS.md."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from bench.processes import OUTPUT, ROOT, TITLES
from bench.rows import ROWS
from bench.rows.row import Row, Run, Verdict, medians

RESULTS: Final = ROOT / "bench" / "RESULTS.md"
_MARKS: Final = {True: "met", False: "**missed**", None: ""}


@dataclass(frozen=True)
class Table:
    """Rows under one heading, written by one target of make; `titles` are the names of peers in the heads."""

    heading: str
    target: str
    rows: Mapping[str, Row]
    output: Path
    about: Callable[[], str]
    titles: Mapping[str, str] = field(default_factory=dict)

    def render(self) -> str:
        """Return the tables of all rows that were measured."""
        measured = [(row, json.loads(path.read_text())) for row, path in self._documents()]
        lines = [_line(row, verdict) for row, document in measured for verdict in row.judge(_runs(document))]
        sections = [self._section(row, document) for row, document in measured]
        head = [f"## {self.heading}", "", self.about(), ""]
        return "\n".join([*head, "| row | target | found | |", "|---|---|---|---|", *lines, "", *sections])

    def write(self, path: Path = RESULTS) -> None:
        """Put the tables between their marks in RESULTS.md."""
        begin, end = f"<!-- written by `make {self.target}` -->", f"<!-- end of what `make {self.target}` writes -->"
        before, begun, rest = path.read_text().partition(begin)
        _, ended, after = rest.partition(end)
        if not (begun and ended):
            raise SystemExit(f"{path} has no place for the table: {begin} … {end}")
        path.write_text(f"{before}{begin}\n\n{self.render()}\n{end}{after}")

    def _documents(self) -> list[tuple[Row, Path]]:
        return [(row, path) for name, row in self.rows.items() if (path := self.output / f"{name}.json").is_file()]

    def _section(self, row: Row, document: dict[str, Any]) -> str:
        found = medians(_runs(document))
        names = list(dict.fromkeys(name for figures in found.values() for name in figures))
        peers = list(found)
        command = f"`make {self.target} ROWS={row.name} ROUNDS={document['rounds']}`"
        count = document.get("measured", document["rounds"])
        took = f"{document['date']}, {document['took_seconds']} s, medians of {count}"
        lines = [
            f"### {row.name}",
            "",
            f"{row.title[0].upper()}{row.title[1:]}. {command}, {took}.",
            "",
            "| figure | " + " | ".join(self.titles.get(peer, peer) for peer in peers) + " |",
            "|---|" + "---|" * len(peers),
            *(f"| {name} | " + " | ".join(_cell(found[peer].get(name)) for peer in peers) + " |" for name in names),
            "",
        ]
        return "\n".join(lines)


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


CORE: Final = Table("`kaito.core` beside its peers", "bench", ROWS, OUTPUT, machine, TITLES)


def _runs(document: dict[str, Any]) -> list[Run]:
    return [Run(**run) for run in document["runs"]]


def _line(row: Row, verdict: Verdict) -> str:
    return f"| {row.name} | {verdict.target} | {verdict.found} | {_MARKS[verdict.met]} |"


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
