"""Phases as lines."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from kaito.cli.demo.follow import PhasePrinter, Served, finished_phases, follow, ready_time, says_ready, waiting_line
from kaito.core import Key
from kaito.core.errors import KaitoError

HOST = "10.0.0.1"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TIMELINE = [
    {"phase": "ClaimingNodes", "startedAt": "2026-01-02T03:04:05.000Z", "seconds": 0.4},
    {"phase": "Ready", "startedAt": "2026-01-02T03:04:09.250Z"},
]


def workspace(ready: str, **status: Any) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "WorkspaceReady", "status": ready}], **status}}


def test_each_phase_is_printed_once_and_each_message_once() -> None:
    out = StringIO()
    printer = PhasePrinter(Console(file=out, width=200), START)
    for _ in range(2):
        printer.show({"phase": "ClaimingNodes", "message": "asked"}, None)
    for _ in range(2):
        printer.show({"phase": "Ready", "message": "answers", "timeline": TIMELINE}, HOST)
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert lines == ["… ClaimingNodes: asked", "✓ ClaimingNodes  0.4 s", "… Ready: answers"]


def test_phases_of_an_earlier_start_are_not_printed_though_the_timeline_keeps_a_number_of_rows() -> None:
    def row(phase: str, minute: int, seconds: float | None) -> dict[str, Any]:
        return {"phase": phase, "startedAt": f"2026-01-02T03:{minute:02}:00.000Z", "seconds": seconds}

    out = StringIO()
    rows = [row("Warming", 1, 1.0), row("StartingModel", 3, 90.0), row("LoadingWeights", 5, None)]
    printer = PhasePrinter(Console(file=out, width=200), START)
    printer.show({"timeline": rows[:1]}, None)
    printer.show({"timeline": rows}, None)
    printer.show({"timeline": [*rows[1:2], row("LoadingWeights", 5, 7.0), row("Warming", 6, None)]}, None)
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "✓ StartingModel  90.0 s",
        "✓ LoadingWeights  7.0 s",
    ]


def test_the_running_phase_is_not_finished_and_the_last_one_ends_when_it_is_ready() -> None:
    assert [entry["phase"] for entry in finished_phases({"timeline": TIMELINE}, START)] == ["ClaimingNodes"]
    moment = ready_time(workspace("True", timeline=TIMELINE))
    assert moment == datetime(2026, 1, 2, 3, 4, 5, 400_000, tzinfo=UTC)
    assert ready_time(workspace("True")) is None
    assert says_ready(workspace("True")["status"])
    assert not says_ready({})


@pytest.mark.parametrize(
    ("status", "host", "line"),
    [
        ({}, None, ""),
        ({"phase": "StartingServer"}, None, ""),
        ({"phase": "StartingServer", "message": "loads"}, None, "StartingServer: loads"),
        (workspace("True", phase="Ready", message="answers")["status"], "10.0.0.1", "Ready: answers"),
        (
            workspace("True", phase="Ready", message="answers")["status"],
            None,
            "Ready, says the status, but the server does not answer yet",
        ),
    ],
    ids=["nothing", "no message", "a phase", "ready", "ready before the machine went off"],
)
def test_the_line_says_what_is_waited_for(status: dict[str, Any], host: str | None, line: str) -> None:
    assert waiting_line(status, host) == line


class Answers:
    """A client whose Workspace changes with every read; the last state stays."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)

    async def get(self, *_: object) -> dict[str, Any]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    async def list(self, *_: object, **__: object) -> Any:
        return type("List", (), {"items": []})()


class Hosts:
    """Where the Workspace answers, each time it is looked for; the last answer stays."""

    def __init__(self, *found: str | None) -> None:
        self.found = list(found)

    async def find(self) -> str | None:
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]


@pytest.fixture
def following(clock: Any) -> Any:
    """Return what follows a Workspace through these states for 30 s."""

    async def run(*states: dict[str, Any], hosts: Hosts | None = None, out: StringIO | None = None) -> Served:
        client: Any = Answers(*states)
        phases = PhasePrinter(Console(file=out or StringIO(), width=200), START)
        return await follow(client, Key("default", "w"), 30, phases, clock, (hosts or Hosts(HOST)).find)

    return run


async def test_it_returns_the_workspace_once_it_is_ready(following: Any) -> None:
    done = workspace("True")
    assert await following(workspace("False"), workspace("False"), done) == Served(done, HOST)


async def test_a_ready_from_before_the_machine_went_off_counts_once_the_server_answers(following: Any) -> None:
    out = StringIO()
    before = workspace("True", phase="Ready", message="answers")
    starting = workspace("False", phase="StartingServer", message="loads the model")
    after = {**before, "metadata": {"resourceVersion": "2"}}
    served = await following(before, before, starting, after, hosts=Hosts(None, None, None, HOST), out=out)
    assert served == Served(after, HOST)
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "… Ready, says the status, but the server does not answer yet",
        "… StartingServer: loads the model",
        "… Ready, says the status, but the server does not answer yet",
        "… Ready: answers",
    ]


async def test_a_server_that_never_answers_is_named_when_the_time_is_over(following: Any) -> None:
    with pytest.raises(KaitoError, match="Its status says Ready, but its server does not answer"):
        await following(workspace("True", phase="Ready", message="answers"), hosts=Hosts(None))


async def test_a_terminal_failure_ends_it_with_reason_and_remedy(following: Any) -> None:
    failure = {"reason": "QuotaExceeded", "message": "no quota", "remedy": "ask for more", "terminal": True}
    with pytest.raises(KaitoError, match="QuotaExceeded: no quota") as caught:
        await following(workspace("False", phase="Failed", lastFailure=failure))
    assert caught.value.remedy == "ask for more"


async def test_a_failure_that_is_retried_is_waited_for_until_the_time_is_over(following: Any) -> None:
    failure = {"reason": "InsufficientCapacity", "message": "sold out", "terminal": False}
    state = workspace("False", phase="ClaimingNodes", message="sold out", lastFailure=failure)
    state["metadata"] = {"name": "w"}
    with pytest.raises(KaitoError, match="not ready after 30 s") as caught:
        await following(state)
    assert "sold out" in str(caught.value)
