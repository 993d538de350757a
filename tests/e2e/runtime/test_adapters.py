"""Adapters that come, change and go while requests run, on a real vLLM. Two starts for the whole file."""

import json
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.adapter_files import drop, write_adapter
from runtime.server import PRESET, TOKEN, RuntimeServer

WORKSPACE = "workspace-phi-3"
SECONDS = 60.0


class Pod:
    """A server, and the folders that a pod has mounted."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self.adapters, self.set_file = folder / "adapters", folder / "set" / "adapters.json"
        self.adapters.mkdir()
        self.set_file.parent.mkdir()
        self.made = 0
        self.server = self.start()

    def start(self) -> RuntimeServer:
        return RuntimeServer(
            self.folder,
            self.model,
            f"--served-model-name={PRESET}",
            f"--kaito-workspace={WORKSPACE}",
            f"--kaito-adapters-dir={self.adapters}",
            f"--kaito-adapter-set-file={self.set_file}",
            f"--kaito-adapter-store={self.folder / 'store'}",
            "--kaito-drain-delay-seconds=0",
            "--max-model-len=1024",
            "--max-num-seqs=16",
            "--enable-lora",
            "--max-loras=2",
            "--max-cpu-loras=4",
            "--max-lora-rank=32",
        )

    def make(self, seed: int, rank: int = 8) -> Path:
        """Make an adapter on the disk of the adapter directory, beside it."""
        self.made += 1
        folder = self.folder / "made" / str(self.made)
        write_adapter(folder, seed=seed, rank=rank)
        return folder

    def put(self, generation: int, *adapters: dict[str, Any]) -> Any:
        body = {"contractVersion": 1, "generation": generation, "adapters": adapters}
        return self.server.order("PUT", "/v1/adapters", body)

    def text(self, model: str, prompt: str = "Hello") -> str | int:
        """Return the greedy answer of a model, or the status of a refusal."""
        body = {"model": model, "prompt": prompt, "max_tokens": 12, "temperature": 0}
        answer = self.server.ask("/v1/completions", body)
        return str(answer.body["choices"][0]["text"]) if answer.status == 200 else answer.status

    def states(self) -> dict[str, dict[str, Any]]:
        status = self.server.ask("/v1/status", admin=True, token=TOKEN).body
        return {adapter["name"]: adapter for adapter in status["adapters"]}

    def metric(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", self.server.ask("/metrics", admin=True).text, re.MULTILINE)
        return float(found[1]) if found else -1

    def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"{self.states()}\n{self.server.log()[-4000:]}"
            time.sleep(0.005)

    def clear(self) -> None:
        """Want no adapter; return when there is none, in the engine neither."""
        generation = self.server.order("GET", "/v1/adapters").body["generation"]
        for single in self.server.order("GET", "/v1/adapters").body["single"]:
            self.server.order("DELETE", f"/v1/adapters/{single['name']}")
        self.put(generation + 1)
        for folder in self.adapters.iterdir():
            folder.rename(self.folder / f"gone-{time.monotonic_ns()}")
        self.until(lambda: not self.states())
        self.until(lambda: self.metric("kaito_runtime_engine_adapters") == 0)


@pytest.fixture(scope="module")
def pod(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    pod = Pod(tmp_path_factory.mktemp("pod"), stand_in)
    pod.server.first_answer("/healthz", limit=60)
    pod.server.wait_ready()
    yield pod
    pod.server.kill()


@pytest.fixture
def empty(pod: Pod) -> Pod:
    """The pod without any adapter."""
    pod.clear()
    return pod


def test_a_folder_that_is_renamed_into_place_answers_changes_and_goes(empty: Pod) -> None:
    pod, base = empty, empty.text(PRESET)
    assert pod.text(WORKSPACE) == base
    drop(pod.adapters / "pirate", pod.make(1))
    pod.until(lambda: pod.text("pirate") not in {404, base})
    first = pod.text("pirate")
    pod.until(lambda: pod.text(WORKSPACE) == first)
    drop(pod.adapters / "pirate", pod.make(2))
    pod.until(lambda: pod.text("pirate") not in {first, 404, base})
    shutil.rmtree(pod.adapters / "pirate")
    pod.until(lambda: pod.text("pirate") == 404)
    pod.until(lambda: pod.text(WORKSPACE) == base)
    pod.until(lambda: pod.metric("kaito_runtime_engine_adapters") == 0)


def test_a_folder_that_is_written_slowly_is_pending_and_then_served(empty: Pod) -> None:
    pod, made = empty, empty.make(3)
    target = pod.adapters / "slow"
    target.mkdir()
    pod.until(lambda: pod.states().get("slow", {}).get("state") == "Pending")
    weights = (made / "adapter_model.safetensors").read_bytes()
    with (target / "adapter_model.safetensors").open("wb") as file:
        file.write(weights[:3000])
        file.flush()
        shutil.copy(made / "adapter_config.json", target)
        pod.until(lambda: "still being written" in pod.states()["slow"]["message"])
        file.write(weights[3000:])
    pod.until(lambda: pod.states()["slow"]["state"] == "Ready")


def test_a_set_is_put_with_strength_and_aliases_and_an_older_one_is_refused(empty: Pod) -> None:
    pod, base = empty, empty.text(PRESET)
    full, half = str(pod.make(4)), str(pod.make(4))
    generation = pod.server.order("GET", "/v1/adapters").body["generation"] + 1
    answer = pod.put(
        generation,
        {"name": "full", "path": full, "aliases": ["prod"]},
        {"name": "none", "path": half, "strength": "0"},
    )
    assert answer.status == 200
    pod.until(lambda: {name: state["state"] for name, state in pod.states().items()}.get(WORKSPACE) == "Ready")
    states = pod.states()
    version = states["full"]["digest"].removeprefix("sha256:")[:12]
    assert states["full"]["digest"] == states["none"]["digest"]
    asked = {name: pod.text(name) for name in ("full", "prod", f"full@{version}", "none", WORKSPACE)}
    assert asked["full"] == asked["prod"] == asked[f"full@{version}"] == asked[WORKSPACE] != base
    assert asked["none"] == base  # at strength 0 it has no effect, also in the sum
    assert pod.put(generation - 1).status == 409
    assert pod.put(generation + 1, {"name": "x", "path": full, "strength": "2"}).status == 400
    status = pod.server.ask("/v1/status", admin=True, token=TOKEN).body
    assert status["adapterSet"]["generation"] == generation


def test_every_route_finds_an_adapter_and_names_it_in_its_answer(empty: Pod) -> None:
    pod = empty
    pod.server.order("PUT", "/v1/adapters/pirate", {"path": str(pod.make(5)), "aliases": ["prod"]})
    pod.until(lambda: pod.text("pirate") != 404)
    messages = [{"role": "user", "content": "Hello"}]
    bodies: dict[str, dict[str, Any]] = {
        "/v1/completions": {"prompt": "Hello", "max_tokens": 2},
        "/v1/chat/completions": {"messages": messages, "max_tokens": 2},
        "/v1/responses": {"input": "Hello", "max_output_tokens": 2},
        "/v1/messages": {"messages": messages, "max_tokens": 2},
    }
    for path, body in bodies.items():
        answer = pod.server.ask(path, {**body, "model": "prod"})
        assert (answer.status, answer.body["model"]) == (200, "pirate"), (path, answer.text)
    assert pod.server.ask("/tokenize", {"model": "pirate", "prompt": "x"}).status == 200
    assert pod.server.ask("/chat", {"model": "pirate", "prompt": "x", "max_new_tokens": 2}).status == 200
    models = {model["id"]: model for model in pod.server.ask("/v1/models").body["data"]}
    assert models["prod"]["parent"] == PRESET
    assert str(pod.folder) not in models["prod"]["root"]
    unknown = pod.server.ask("/v1/completions", {"model": "nobody", "prompt": "x"})
    assert (unknown.status, "pirate" in unknown.text, PRESET in unknown.text) == (404, True, True)


def test_an_answer_in_the_background_is_refused_for_it_would_outlive_its_request(empty: Pod) -> None:
    """vLLM has it only with VLLM_ENABLE_RESPONSES_API_STORE: what is held for a request is let go at its answer."""
    pod = empty
    pod.server.order("PUT", "/v1/adapters/pirate", {"path": str(pod.make(5))})
    pod.until(lambda: pod.text("pirate") != 404)
    answer = pod.server.ask("/v1/responses", {"model": "pirate", "input": "Hello", "background": True})
    assert (answer.status, answer.body["error"]["param"]) == (400, "background")


def test_a_bad_adapter_fails_by_itself_and_never_takes_a_good_one_s_place(empty: Pod) -> None:
    pod = empty
    drop(pod.adapters / "pirate", pod.make(6))
    pod.until(lambda: pod.text("pirate") != 404)
    good = pod.text("pirate")
    cut, wide, taken = pod.make(7), pod.make(8, rank=64), pod.make(9)
    with (cut / "adapter_model.safetensors").open("r+b") as file:
        file.truncate(3000)
    old = time.time() - 3600
    for path in (*cut.iterdir(), cut):
        os.utime(path, (old, old))
    drop(pod.adapters / "pirate", cut)
    drop(pod.adapters / "wide", wide)
    drop(pod.adapters / PRESET, taken)
    pod.until(lambda: {state["state"] for state in pod.states().values()} == {"Failed"})
    reasons = {name: state["reason"] for name, state in pod.states().items()}
    assert reasons == {"pirate": "WeightsInvalid", "wide": "RankAboveSlot", PRESET: "NameTaken"}
    assert "--max-lora-rank=64" in pod.states()["wide"]["message"]
    assert pod.text("pirate") == good
    assert pod.text("wide") == 404
    assert pod.server.ask("/readyz").status == 200


def test_no_answer_of_eight_clients_is_lost_or_mixed_over_thirty_swaps(empty: Pod) -> None:
    pod, versions = empty, [empty.make(10), empty.make(11)]
    path = pod.folder / "current"
    answers: list[str | int] = []
    for version in versions:
        pod.server.order("PUT", "/v1/adapters/pirate", {"path": str(version)})
        count = len(set(answers))
        pod.until(lambda: pod.text("pirate") not in {404, *answers})
        answers.append(pod.text("pirate"))
        assert len(set(answers)) == count + 1
    seen: Counter[str | int] = Counter()
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            seen[pod.text("pirate")] += 1

    clients = [threading.Thread(target=client) for _ in range(8)]
    for thread in clients:
        thread.start()
    swaps = pod.metric("kaito_runtime_adapter_swaps_total")
    for turn in range(30):
        pod.server.order("PUT", "/v1/adapters/pirate", {"path": str(versions[turn % 2])})
        pod.until(lambda turn=turn: pod.metric("kaito_runtime_adapter_swaps_total") >= swaps + turn + 1)  # type: ignore[misc]
    stop.set()
    for thread in clients:
        thread.join()
    assert not path.exists()
    assert set(seen) == set(answers), seen
    assert min(seen.values()) > 5
    pod.until(lambda: pod.metric("kaito_runtime_engine_adapters") == 1)


def test_more_adapters_than_slots_are_served_and_their_files_may_go(empty: Pod) -> None:
    """Six adapters, two slots, room for four in memory: the others are evicted, and read again from the store."""
    pod = empty
    made = {f"a{index}": pod.make(20 + index) for index in range(6)}
    for name, folder in made.items():
        drop(pod.adapters / name, folder)
    pod.until(lambda: all(pod.text(name) != 404 for name in made))
    before = {name: pod.text(name) for name in made}
    assert len(set(before.values())) == 6
    generation = pod.server.order("GET", "/v1/adapters").body["generation"] + 1
    pod.put(generation, *({"name": name, "path": str(pod.adapters / name)} for name in made))
    digests = {name: state["digest"] for name, state in pod.states().items() if name in made}
    pod.put(generation + 1, *({"name": name, "path": "/gone", "digest": digests[name]} for name in made))
    shutil.rmtree(pod.adapters / "a0")
    for _ in range(3):
        assert {name: pod.text(name) for name in made} == before
    together: list[str | int] = []
    threads = [threading.Thread(target=lambda name=name: together.append(pod.text(name))) for name in made]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, together)) == sorted(map(str, before.values()))
    assert pod.server.ask("/readyz").status == 200


def test_a_storm_of_changes_ends_with_what_was_wanted_last_in_the_engine_too(empty: Pod) -> None:
    pod = empty
    made = [str(pod.make(30 + index)) for index in range(3)]
    for turn in range(60):
        name, path = f"s{turn % 4}", made[turn % 3]
        pod.server.order("PUT", f"/v1/adapters/{name}", {"path": path})
        if turn % 3 == 2:
            pod.server.order("DELETE", f"/v1/adapters/s{(turn + 1) % 4}")
    for name in ("s0", "s1", "s2", "s3"):
        pod.server.order("DELETE", f"/v1/adapters/{name}")
    pod.server.order("PUT", "/v1/adapters/last", {"path": made[0]})
    pod.until(lambda: {name: state["state"] for name, state in pod.states().items()} == {"last": "Ready"})
    pod.until(lambda: pod.metric("kaito_runtime_engine_adapters") == 1)
    assert pod.text("last") == pod.text(WORKSPACE)


def test_a_restarted_server_comes_up_with_what_it_was_told(empty: Pod) -> None:
    pod = empty
    generation = pod.server.order("GET", "/v1/adapters").body["generation"] + 1
    path = pod.make(40)
    pod.put(generation, {"name": "from-set", "path": str(path)})
    pod.server.order("PUT", "/v1/adapters/single", {"path": str(pod.make(41))})
    pod.until(lambda: all(state["state"] == "Ready" for state in pod.states().values()) and len(pod.states()) == 3)
    before = {name: pod.text(name) for name in ("from-set", "single", WORKSPACE)}
    drop(pod.adapters / "bad", pod.make(42))
    (pod.adapters / "bad" / "adapter_config.json").write_text("{")
    pod.server.kill()
    pod.set_file.write_text(json.dumps({"contractVersion": 1, "generation": generation - 1, "adapters": []}))
    pod.server = pod.start()
    pod.server.first_answer("/healthz", limit=60)
    pod.server.wait_ready()
    assert {name: pod.text(name) for name in before} == before
    states = {name: state["state"] for name, state in pod.states().items()}
    assert states == {"from-set": "Ready", "single": "Ready", WORKSPACE: "Ready", "bad": "Failed"}


def test_a_server_that_is_killed_takes_its_engine_with_it(pod: Pod) -> None:
    """The last of the file: it needs no server of its own, and leaves none."""
    assert len(pod.server.processes()) > 1
    pod.server.process.kill()  # as the kernel does for want of memory, where no container ends with it
    killed = time.monotonic()
    pod.server.process.wait(10)
    assert pod.server.left_over() == []
    assert time.monotonic() - killed < 2
