"""A server whose directory has every bad adapter and one good one: each says why, and nothing else notices."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.bad_adapters import BAD_ADAPTERS
from runtime.peft_files import AdapterFiles
from runtime.server import PRESET, TOKEN, RuntimeServer


def folder_name(case: str) -> str:
    return "bad-" + "".join(letter if letter.isalnum() else "-" for letter in case.lower()).strip("-")


@pytest.fixture(scope="module")
def server(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeServer]:
    root = tmp_path_factory.mktemp("bad")
    directory = root / "adapters"
    good = AdapterFiles()
    good.spread = 0.5
    good.write(directory / "good")
    for case, (change, _, _) in BAD_ADAPTERS.items():
        change(AdapterFiles(), directory / folder_name(case))
    flags = [f"--kaito-adapters-dir={directory}", f"--kaito-adapter-store={root / 'store'}"]
    server = RuntimeServer(root, stand_in, *flags, f"--served-model-name={PRESET}", "--max-model-len=512")
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


def answer(server: RuntimeServer, model: str) -> Any:
    body = {"model": model, "prompt": "What is Kubernetes?", "max_tokens": 8, "temperature": 0}
    return server.ask("/v1/completions", body)


def statuses(server: RuntimeServer) -> dict[str, Any]:
    status = server.ask("/v1/status", admin=True, token=TOKEN).body
    return {adapter["name"]: adapter for adapter in status["adapters"]}


def test_each_bad_adapter_says_why_it_is_not_served(server: RuntimeServer) -> None:
    found = statuses(server)
    reasons = {case: found[folder_name(case)]["reason"] for case in BAD_ADAPTERS}
    assert reasons == {case: reason for case, (_, reason, _) in BAD_ADAPTERS.items()}
    assert {found[folder_name(case)]["state"] for case in BAD_ADAPTERS} == {"Failed"}
    assert all(found[folder_name(case)]["message"] for case in BAD_ADAPTERS)


def test_the_good_one_and_the_base_are_served(server: RuntimeServer) -> None:
    assert statuses(server)["good"]["state"] == "Ready"
    base, good = answer(server, PRESET), answer(server, "good")
    assert (base.status, good.status) == (200, 200)
    assert base.body["choices"][0]["text"] != good.body["choices"][0]["text"]
    listed = {model["id"] for model in server.ask("/v1/models").body["data"]}
    assert "good" in listed
    assert not any(name.startswith("bad-") for name in listed)


def test_a_bad_adapter_asked_for_by_name_is_404(server: RuntimeServer) -> None:
    for case in BAD_ADAPTERS:
        assert answer(server, folder_name(case)).status == 404
    assert answer(server, PRESET).status == 200
