"""Following an adapter through the status, and looking whether the pod stayed."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kaito.cli.demo import adapter_act
from kaito.cli.demo.adapter_act import Stage, play, wait_for_leftover
from kaito.cli.demo.adapter_manifest import ADAPTER
from kaito.cli.demo.prerequisites import find_manifest
from kaito.contracts import STAND_IN_MARKER
from kaito.core import Key
from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory

PRESET = "phi-3-mini-4k-instruct"
READY = {"name": ADAPTER, "state": "Ready"}


class World:
    """A cluster in which kubectl changes the spec and the status follows: the states that come after each apply."""

    def __init__(self, *after_apply: list[dict[str, Any]], restarted: bool = False) -> None:
        self.after_apply = list(after_apply)
        self.coming: list[dict[str, Any]] = []
        self.generation = self.observed = 1
        self.adapter: dict[str, Any] | None = None
        self.applied: list[str] = []
        self.restarted = restarted
        self.restarts = 0

    def kubectl(self, _: Path, *arguments: str) -> str:
        if arguments[0] == "apply":
            self.applied.append(Path(arguments[-1]).name)
            self.generation += 1
            self.coming = self.after_apply.pop(0) if self.after_apply else []
        return "done"

    async def get(self, *_: object) -> dict[str, Any]:
        if self.observed == self.generation:
            self.adapter = self.coming.pop(0) if self.coming else self.adapter
            self.restarts += self.restarted
        self.observed = self.generation
        adapters = [self.adapter] if self.adapter else []
        status = {"observedGeneration": self.observed, "adapters": adapters}
        return {"metadata": {"generation": self.generation}, "status": status}

    async def list(self, *_: object, **__: object) -> Any:
        pod = {"metadata": {"uid": "1"}, "status": {"containerStatuses": [{"restartCount": self.restarts}]}}
        return type("List", (), {"items": [pod]})()


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Any) -> Any:
    """Return what plays the act in a world, and has the console's text."""
    paths = ClusterDirectory(tmp_path)
    base = paths.weights / PRESET
    base.mkdir(parents=True)
    (base / STAND_IN_MARKER).write_text("{}")
    paths.demo.mkdir()
    layout = tmp_path / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    (layout / "blobs" / "sha256" / (64 * "0")).write_text("{}")
    (layout / "index.json").write_text('{"manifests": [{"digest": "sha256:' + 64 * "0" + '"}]}')
    monkeypatch.setattr(adapter_act, "_make_image", lambda stage, base: layout)
    monkeypatch.setattr(adapter_act, "ask_chat", lambda host, question: "an answer")
    monkeypatch.setattr(adapter_act, "ask_model", lambda host, model, question: f"an answer of {model}")

    async def run(world: World) -> str:
        monkeypatch.setattr(adapter_act, "kubectl", world.kubectl)
        out = StringIO()
        anything: Any = world
        console = Console(file=out, width=300)
        stage = Stage(console, anything, clock, paths, tmp_path, find_manifest(None), Key("default", "w"))
        await wait_for_leftover(stage)
        await play(stage, PRESET, "10.0.0.1")
        return out.getvalue()

    return run


MANIFESTS = ["kaito_workspace_phi_3-with-adapter.yaml", "kaito_workspace_phi_3.yaml"]


async def test_the_adapter_comes_is_asked_and_leaves(played: Any) -> None:
    gone: Any = None
    world = World([{"name": ADAPTER, "state": "Pulling"}, READY], [{"name": ADAPTER, "state": "Draining"}, gone])
    said = await played(world)
    assert world.applied == MANIFESTS
    assert "pirate  Ready" in said
    assert f"an answer of {PRESET}" in said
    assert f"an answer of {ADAPTER}" in said
    assert said.count("not restarted") == 2


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([{"name": ADAPTER, "state": "Failed", "reason": "NotFinite", "message": "It has NaN."}], "NotFinite"),
        ([{"name": ADAPTER, "state": "Pending", "message": "waits"}], "not ready after 60 s.*waits"),
    ],
)
async def test_an_adapter_that_does_not_come_is_taken_out_again(
    played: Any, states: list[dict[str, Any]], said: str
) -> None:
    world = World(states)
    with pytest.raises(KaitoError, match=said):
        await played(world)
    assert world.applied == MANIFESTS


async def test_a_pod_that_was_restarted_is_no_success(played: Any) -> None:
    with pytest.raises(KaitoError, match="restarted"):
        await played(World([READY], restarted=True))


async def test_what_a_demo_that_was_cut_short_left_is_waited_for(played: Any) -> None:
    gone: Any = None
    world = World([READY], [gone])
    world.adapter, world.coming = READY, [READY, gone]
    assert "pirate left" in await played(world)
