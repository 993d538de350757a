"""The adapter checks and compositions beside the real vLLM, through its own route that loads an adapter.

What vLLM refuses is refused before; what is accepted, vLLM serves; what is composed answers as it must.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.peft_files import PREFIX, AdapterFiles
from runtime.server import PRESET, READY_SECONDS

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import ServedBase, check_adapter, read_base, scan_finite
from kaito.runtime.adapters.compose import combined, strengthened
from kaito.runtime.adapters.store import AdapterStore, StoredAdapter

QKV = "model.layers.0.self_attn.qkv_proj"
HOST = f"127.79.{os.getpid() % 250}.1"


class PlainVllm:
    """vLLM's own server with its route for adapters on; `base_alone` is the base's answer before any adapter came."""

    base_alone: tuple[str, list[float]]

    def __init__(self, model: Path, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        flags = {"max-model-len": 256, "max-num-seqs": 4, "max-loras": 2, "max-cpu-loras": 40, "max-lora-rank": 64}
        command = [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry", f"--model={model}"]
        command += [f"--host={HOST}", f"--port={self.port}", "--served-model-name=base", "--dtype=float32"]
        command += ["--enable-lora", "--enforce-eager", *(f"--{name}={value}" for name, value in flags.items())]
        environment = {**os.environ, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
        environment |= {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_HOST_IP": "127.0.0.1"}
        environment |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def wait_ready(self, log: Path) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, log.read_text(errors="replace")
            try:
                self.post("/v1/completions", {"model": "base", "prompt": "a", "max_tokens": 1})
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError(log.read_text(errors="replace"))

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        url = f"http://{HOST}:{self.port}{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def load(self, name: str, folder: Path) -> int:
        return self.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})[0]

    def answer(self, model: str) -> tuple[str, list[float]]:
        """Return the greedy answer, and how likely each of its tokens and of the first one's rivals was."""
        body = {"model": model, "prompt": "What is Kubernetes?", "max_tokens": 8, "temperature": 0, "logprobs": 5}
        status, text = self.post("/v1/completions", body)
        assert status == 200, text
        choice = json.loads(text)["choices"][0]
        chances = choice["logprobs"]
        return choice["text"], chances["token_logprobs"] + sorted(chances["top_logprobs"][0].values())


@pytest.fixture(scope="module")
def vllm(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainVllm]:
    log = tmp_path_factory.mktemp("plain") / "vllm.log"
    server = PlainVllm(stand_in, log)
    try:
        server.wait_ready(log)
        server.base_alone = server.answer("base")
        yield server
    finally:
        server.process.terminate()  # killed, it would leave a process behind
        try:
            server.process.wait(30)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="module")
def base(stand_in: Path) -> ServedBase:
    return read_base(stand_in, (PRESET,))


def refused(folder: Path, base: ServedBase) -> str:
    """Return the reason for which the checks refuse an adapter, empty when they accept it."""
    try:
        check_adapter(folder, base)
        scan_finite(folder)
    except AdapterError as error:
        return error.reason
    return ""


def config(**changes: Any) -> Callable[[AdapterFiles], Any]:
    return lambda files: files.config.update(changes)


def module(name: str, inputs: int = 64, outputs: int = 192, **options: Any) -> Callable[[AdapterFiles], Any]:
    return lambda files: files.add(name, inputs, outputs, **options)


def without(name: str) -> Callable[[AdapterFiles], Any]:
    return lambda files: files.tensors.pop(f"{PREFIX}{QKV}.{name}.weight")


def renamed(old: str, new: str) -> Callable[[AdapterFiles], Any]:
    def change(files: AdapterFiles) -> None:
        files.tensors = {name.replace(old, new): tensor for name, tensor in files.tensors.items()}

    return change


REFUSED_BY_VLLM = {
    "no r": lambda files: files.config.pop("r"),
    "no target_modules": lambda files: files.config.pop("target_modules"),
    "a bias": config(bias="all"),
    "DoRA": config(use_dora=True),
    "a bias of LoRA": config(lora_bias=True),
    "PiSSA": config(init_lora_weights="pissa"),
    "aLoRA": config(alora_invocation_tokens=[1]),
    "replicated layers": config(layer_replication=[[0, 1]]),
    "whole modules": config(modules_to_save=["lm_head"]),
    "an unknown module": module("model.layers.0.self_attn.z_proj"),
    "a wider input": module(QKV, 3072),
    "a wider output": module(QKV, 64, 3072),
    "no lora_B": without("lora_B"),
    "a name with the adapter's": renamed(".weight", ".default.weight"),
    "no tensors": lambda files: files.tensors.clear(),
}


@pytest.mark.parametrize("case", REFUSED_BY_VLLM)
def test_what_vllm_refuses_is_refused_before(vllm: PlainVllm, base: ServedBase, case: str, tmp_path: Path) -> None:
    files = AdapterFiles()
    REFUSED_BY_VLLM[case](files)
    folder = files.write(tmp_path / "a")
    assert vllm.load(case, folder) >= 400
    assert refused(folder, base)


ACCEPTED = {
    "float32": config(),
    "float16": module(QKV, dtype="F16"),
    "bfloat16": module(QKV, dtype="BF16"),
    "a fraction as alpha": config(lora_alpha=3.5),
    "no alpha": config(lora_alpha=0),
    "rsLoRA": config(use_rslora=True),
    "a rank by pattern": lambda files: (
        files.add(QKV, 64, 192, rank=4),
        files.config.update(rank_pattern={r"layers\.0\.self_attn\.qkv_proj": 4}),
    ),
    "an alpha by pattern": config(alpha_pattern={"o_proj": 1.5}),
    "a harmless start": config(init_lora_weights="gaussian"),
    "target_modules as text": config(target_modules="all-linear"),
    "names without PEFT's prefix": renamed(PREFIX, ""),
    "the head": module("lm_head", 64, 512),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_accepted_is_served(vllm: PlainVllm, base: ServedBase, case: str, tmp_path: Path) -> None:
    files = AdapterFiles()
    ACCEPTED[case](files)
    folder = files.write(tmp_path / "a")
    assert not refused(folder, base)
    assert vllm.load(case, folder) == 200
    assert vllm.answer(case)


class Composer:
    """Stores adapters and loads what is made of them."""

    def __init__(self, vllm: PlainVllm, root: Path) -> None:
        self.vllm, self.root = vllm, root
        self.store = AdapterStore(root / "store", 2**30)

    def stored(self, seed: int, **changes: Any) -> StoredAdapter:
        files = AdapterFiles()
        files.seed, files.spread = seed, 0.3
        files.config |= changes
        with self.store.staging() as folder:
            files.write(folder)
            return self.store.commit(folder)

    def answer(self, adapter: StoredAdapter) -> tuple[str, list[float]]:
        name = f"{self.root.name}-{adapter.digest[7:]}"
        assert self.vllm.load(name, adapter.path) in (200, 400)  # 400: it is loaded already
        return self.vllm.answer(name)


@pytest.fixture
def composer(vllm: PlainVllm, tmp_path: Path) -> Composer:
    return Composer(vllm, tmp_path)


def assert_alike(one: tuple[str, list[float]], other: tuple[str, list[float]]) -> None:
    assert one[0] == other[0]
    assert one[1] == pytest.approx(other[1], rel=1e-3, abs=1e-3)


def test_an_adapter_of_strength_0_answers_like_the_base(composer: Composer) -> None:
    adapter = composer.stored(1)
    base = composer.vllm.base_alone
    assert composer.answer(adapter)[1] != pytest.approx(base[1], rel=1e-3, abs=1e-3)
    assert_alike(composer.answer(strengthened(adapter, "0", composer.store)), base)


def test_the_base_answers_as_before_whatever_adapters_fill_the_slots(composer: Composer) -> None:
    for seed in (7, 8, 9):  # more than there are slots
        assert composer.answer(composer.stored(seed))[1] != pytest.approx(composer.vllm.base_alone[1], abs=1e-3)
        assert_alike(composer.vllm.answer("base"), composer.vllm.base_alone)


@pytest.mark.parametrize("changes", [{}, {"use_rslora": True, "lora_alpha": 3, "alpha_pattern": {"o_proj": 5}}])
def test_two_halves_of_an_adapter_answer_like_the_whole(composer: Composer, changes: dict[str, Any]) -> None:
    adapter = composer.stored(2, **changes)
    halves = combined([(adapter, "0.5"), (adapter, "0.5")], composer.store)
    assert halves.digest != adapter.digest
    assert_alike(composer.answer(halves), composer.answer(adapter))
    parts = combined([(adapter, "0.2"), (adapter, "0.3")], composer.store)
    assert_alike(composer.answer(parts), composer.answer(strengthened(adapter, "0.5", composer.store)))


def test_an_adapter_beside_one_without_strength_answers_like_itself(composer: Composer) -> None:
    one, other = composer.stored(3), composer.stored(4)
    assert_alike(composer.answer(combined([(one, "1"), (other, "0")], composer.store)), composer.answer(one))


def test_the_order_of_two_adapters_does_not_matter(composer: Composer) -> None:
    one, other = composer.stored(5), composer.stored(6, use_rslora=True, lora_alpha=3)
    both = composer.answer(combined([(one, "1"), (other, "1")], composer.store))
    assert_alike(both, composer.answer(combined([(other, "1"), (one, "1")], composer.store)))
    assert both[1] != pytest.approx(composer.answer(one)[1], rel=1e-3, abs=1e-3)
