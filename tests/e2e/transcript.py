"""Transcripts of a terminal session: what a person types, and what the cluster has to print.

A transcript is a text file:

    # A comment.
    $ kubectl create configmap c --from-literal=a=b
    configmap/c created
    ~ kubectl get pods
    NAME   READY   STATUS    RESTARTS   AGE
    web    1/1     Running   0          ...

`$` runs a command once and `~` again and again until it prints what follows (or the deadline passes); `>` continues a
command. A comment follows an empty line or another comment. Both streams count. `...` stands for any text in a line,
and alone on a line for any number of lines; runs of blanks are equal. `[exit N]` ends the output of a command that
fails.
"""

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHELL = "bash"
PATIENCE_SECONDS = 90.0
ANY = "..."
LATE_WATCH = re.compile(
    r'E\d{4} .* reflector\.go:\d+\] "Unhandled Error" err="\S+ Failed to watch .*: context deadline exceeded"'
)
"""kubectl with `--timeout`, now and then on any server: its deadline ends the watch, and it begins another one before
it has seen why (1 of 120 times on a real control plane)."""


@dataclass(frozen=True)
class Step:
    """One command and what it has to print; `line` is its place in the file."""

    line: int
    command: str
    expected: tuple[str, ...]
    polled: bool = False


def parse(text: str) -> list[Step]:
    """Return the steps of a transcript. ValueError for output before the first command."""
    steps: list[Step] = []
    apart = True
    for number, line in enumerate(text.splitlines(), start=1):
        mark, rest = line[:2], line[2:]
        comment, apart = apart and line.startswith("#"), not line.strip() or (apart and line.startswith("#"))
        if mark in ("$ ", "~ "):
            steps.append(Step(number, rest, (), polled=mark == "~ "))
        elif comment or not line.strip():
            continue
        elif not steps:
            raise ValueError(f"line {number}: output before the first command")
        elif (line == ">" or mark == "> ") and not steps[-1].expected:
            last = steps[-1]
            steps[-1] = Step(last.line, f"{last.command}\n{rest}", (), last.polled)
        else:
            last = steps[-1]
            steps[-1] = Step(last.line, last.command, (*last.expected, line), last.polled)
    return steps


def matches(expected: Sequence[str], actual: Sequence[str]) -> bool:
    """Whether output is as expected; `...` alone on a line takes as many lines as it needs."""
    if not expected:
        return not actual
    if expected[0].strip() == ANY:
        return any(matches(expected[1:], actual[skipped:]) for skipped in range(len(actual) + 1))
    return bool(actual) and _same(expected[0], actual[0]) and matches(expected[1:], actual[1:])


def _same(expected: str, actual: str) -> bool:
    parts = [re.escape(" ".join(part.split(" "))) for part in _blanks(expected).split(ANY)]
    return re.fullmatch(".*".join(parts), _blanks(actual)) is not None


def _blanks(line: str) -> str:
    return re.sub(r"\s+", " ", line).strip()


def printed(command: str, environment: Mapping[str, str], folder: Path) -> list[str]:
    """Run a command as a shell does, and return the lines that it printed, with its exit status when it failed."""
    done = subprocess.run(
        [SHELL, "-c", command],
        env={**os.environ, **environment},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.strip() and not LATE_WATCH.match(line)]
    return lines if done.returncode == 0 else [*lines, f"[exit {done.returncode}]"]


def difference(step: Step, environment: Mapping[str, str], folder: Path) -> str:
    """Run a step; return nothing when it printed what it should, else what it printed instead."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        actual = printed(step.command, environment, folder)
        if matches(step.expected, actual):
            return ""
        if not step.polled or time.monotonic() > deadline:
            expected, got = ("\n".join(f"    {line}" for line in lines) for lines in (step.expected, actual))
            return f"line {step.line}: {step.command}\n  expected:\n{expected}\n  printed:\n{got}"
        time.sleep(0.25)
