"""The server that runs in the pod: real vLLM on this machine's CPU, asked over HTTP. One start for the whole file."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from runtime.server import PRESET, TOKEN, RuntimeServer

WORKSPACE = "workspace-phi-3"


@pytest.fixture(scope="module")
def server(stand_in: Path, adapters: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeServer]:
    """A server that is answering already and ready later; tests that need it ready take `ready`."""
    folder = tmp_path_factory.mktemp("server")
    config = folder / "inference_config.yaml"
    config.write_text("vllm:\n  max-num-seqs: 8\n  enable-prefix-caching: true\n")
    server = RuntimeServer(
        folder,
        stand_in,
        f"--served-model-name={PRESET}",
        f"--kaito-workspace={WORKSPACE}",
        f"--kaito-adapters-dir={adapters}",
        f"--kaito-config-file={config}",
        "--max-model-len=4096",
        "--dtype=float16",
        "--gpu-memory-utilization=0.84",
        "--enable-lora",
        "--max-loras=2",
        "--max-cpu-loras=4",
        "--max-lora-rank=16",
        "--kaito-drain-delay-seconds=2",
    )
    yield server
    server.kill()


@pytest.fixture(scope="module")
def ready(server: RuntimeServer) -> RuntimeServer:
    server.wait_ready()
    return server


def test_probes_and_metrics_answer_in_the_first_seconds(server: RuntimeServer) -> None:
    seconds, answer = server.first_answer("/healthz", limit=20)
    assert answer.status == 200
    early = server.ask("/readyz")
    assert (early.status, early.body["stage"]) in {(503, "importing"), (503, "loading")}
    assert 'kaito_runtime_stage{stage="ready"} 0.0' in server.ask("/metrics").text
    assert server.ask("/chat", {"prompt": "x"}).status == 503
    assert seconds < 10  # 2 s on a quiet machine


def test_no_request_is_refused_between_the_early_answers_and_vllm(server: RuntimeServer) -> None:
    while server.ask("/readyz").status != 200:  # a refused connection raises
        assert time.monotonic() - server.started < 280, server.log()
        time.sleep(0.01)


def test_the_page_s_request_gets_whole_sentences_that_say_what_answers(ready: RuntimeServer) -> None:
    answer = ready.ask("/chat", {"model": PRESET, "prompt": "YOUR QUESTION HERE"})
    assert answer.status == 200
    assert set(answer.body) == {"Result"}
    result = answer.body["Result"]
    assert f"stand-in for {PRESET}" in result
    assert result.endswith(".")


@pytest.mark.parametrize("prompt", ["What is the weather like in Paris?", "Explain quantum physics to me. " * 30, "ok"])
def test_prompts_that_nobody_foresaw_get_a_readable_answer_too(ready: RuntimeServer, prompt: str) -> None:
    answer = ready.ask("/chat", {"model": PRESET, "prompt": prompt, "do_sample": False})
    assert f"stand-in for {PRESET}" in answer.body["Result"]


def test_early_generation_options_are_kept(ready: RuntimeServer) -> None:
    base = {"model": PRESET, "prompt": "Hello there"}
    full = ready.ask("/chat", {**base, "return_full_text": True, "generate_kwargs": {"max_new_tokens": 5}}).body[
        "Result"
    ]
    assert full.startswith("Hello there")
    short = ready.ask("/chat", {**base, "max_length": 30}).body["Result"]
    tokens = ready.ask("/tokenize", {"model": PRESET, "prompt": short, "add_special_tokens": False}).body["count"]
    prompt = ready.ask("/tokenize", {"model": PRESET, "messages": [{"role": "user", "content": "Hello there"}]}).body
    assert prompt["count"] + tokens <= 30
    two = ready.ask("/chat", {**base, "num_return_sequences": 2, "do_sample": True}).body["Result"]
    assert two.count("stand-in") >= 2


def test_bad_requests_are_refused_as_early_kaito_did(ready: RuntimeServer) -> None:
    missing = ready.ask("/chat", {})
    assert (missing.status, missing.body) == (400, {"detail": "Text generation parameter prompt required"})
    assert ready.ask("/chat", {"prompt": 5}).status == 422
    assert ready.ask("/chat", {"prompt": "x", "model": "nobody"}).status == 404


def test_the_openai_client_is_answered(ready: RuntimeServer) -> None:
    client = openai.OpenAI(base_url=f"http://{ready.host}:{ready.port}/v1", api_key="none")
    completion = client.completions.create(model=PRESET, prompt="Once upon a time", max_tokens=80, temperature=0)
    assert "stand-in" in completion.choices[0].text
    messages = [{"role": "user", "content": "Who are you?"}]
    chat = client.chat.completions.create(model=PRESET, messages=messages, temperature=0)  # type: ignore[arg-type]
    assert PRESET in str(chat.choices[0].message.content)


def test_models_say_that_they_are_a_stand_in(ready: RuntimeServer) -> None:
    models = {model["id"]: model for model in ready.ask("/v1/models").body["data"]}
    assert models[PRESET]["owned_by"] == "kaito"
    assert models[PRESET]["weights"]["kind"] == "stand-in"
    assert models["pirate"]["parent"] == PRESET


def test_an_adapter_is_selected_by_model_and_changes_the_answer(ready: RuntimeServer) -> None:
    asked = {"prompt": "Hello", "do_sample": False, "max_new_tokens": 20}
    base = ready.ask("/chat", {**asked, "model": PRESET}).body["Result"]
    pirate = ready.ask("/chat", {**asked, "model": "pirate"}).body["Result"]
    assert base != pirate
    assert ready.ask("/v1/completions", {"model": "pirate", "prompt": "x", "max_tokens": 2}).status == 200


def test_without_a_model_the_workspace_is_asked_and_it_has_its_adapter(ready: RuntimeServer) -> None:
    asked = {"prompt": "Hello", "do_sample": False, "max_new_tokens": 20}
    pirate = ready.ask("/chat", {**asked, "model": "pirate"}).body
    assert ready.ask("/chat", asked).body == pirate
    assert ready.ask("/chat", {**asked, "model": WORKSPACE}).body == pirate


def test_status_tells_stage_weights_and_every_adapter_with_its_reason(ready: RuntimeServer) -> None:
    assert ready.ask("/v1/status", admin=True).status == 401
    status = ready.ask("/v1/status", admin=True, token=TOKEN).body
    assert (status["contractVersion"], status["stage"], status["model"]) == (1, "ready", PRESET)
    assert status["weights"]["kind"] == "stand-in"
    assert status["weights"]["loadedBytes"] == status["weights"]["totalBytes"] > 0
    adapters = {adapter["name"]: (adapter["state"], adapter["reason"]) for adapter in status["adapters"]}
    assert adapters == {
        "pirate": ("Ready", ""),
        "cut": ("Failed", "WeightsInvalid"),
        "empty": ("Failed", "ConfigMissing"),
        "wide": ("Failed", "RankAboveSlot"),
    }
    assert set(status["stageSeconds"]) == {"importing", "loading", "warming", "ready"}


def test_metrics_are_vllm_s_and_kaito_s(ready: RuntimeServer) -> None:
    metrics = ready.ask("/metrics").text
    assert 'kaito_runtime_stage{stage="ready"} 1.0' in metrics
    assert "vllm:generation_tokens_total" in metrics
    assert 'kaito_runtime_stage{stage="ready"} 1.0' in ready.ask("/metrics", admin=True).text


def test_the_log_is_json_says_which_weights_are_served_and_repeats_no_prompt(ready: RuntimeServer) -> None:
    ready.ask("/chat", {"model": PRESET, "prompt": "a very secret prompt", "max_new_tokens": 3})
    log = ready.log()
    assert "secret prompt" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    assert any("STAND-IN for " + PRESET in line.get("says", "") for line in lines)
    assert any(event.endswith("compat OK") for event in events)
    assert any("--gpu-memory-utilization" in line.get("remark", "") for line in lines)


def test_sigterm_finishes_what_is_in_flight_refuses_the_rest_and_leaves_no_process(ready: RuntimeServer) -> None:
    lines: list[str] = []
    first = threading.Event()
    body = {"model": PRESET, "prompt": "Hello", "max_tokens": 600, "ignore_eos": True, "temperature": 0}

    def read() -> None:
        for line in ready.stream(body):
            lines.append(line)
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(30)
    ready.process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    while ready.ask("/readyz").status == 200:
        assert time.monotonic() - asked < 1
    assert ready.ask("/chat", {"prompt": "x", "max_new_tokens": 1}).status == 200
    while (refused := ready.ask("/chat", {"prompt": "x", "max_new_tokens": 1})).status == 200:
        assert time.monotonic() - asked < 20
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert ready.ask("/healthz").status == 200
    reader.join(60)
    ended = time.monotonic()
    assert lines[-1] == "[DONE]"
    assert sum('"text"' in line for line in lines) > 100
    assert ready.process.wait(20) == 0
    assert time.monotonic() - ended < 10  # 1 s on a quiet machine
    assert ready.left_over() == []
