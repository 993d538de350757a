"""The swap against vLLM's own table of models, with an engine that the test plays. Needs vLLM; starts no server."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.names import Target
from kaito.runtime.front.pins import Pins


@pytest.fixture(scope="module", autouse=True)
def _on_a_cpu() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_TARGET_DEVICE", "cpu")
        import kaito.runtime.engine.vllm_compat  # noqa: F401


class Core:
    """An engine that holds adapters; what is in `broken` cannot be loaded, and stays half loaded."""

    def __init__(self) -> None:
        self.held: dict[int, str] = {}
        self.broken: set[str] = set()
        self.log_stats = True
        self.model_config = SimpleNamespace(max_model_len=512, model="/w")
        self.renderer = self.input_processor = None
        self.output_processor = SimpleNamespace(lora_states=None)

    async def add_lora(self, request: Any) -> bool:
        self.held[request.lora_int_id] = request.lora_path
        if request.lora_path in self.broken:
            raise RuntimeError("the shapes\ndo not fit")
        return True

    async def remove_lora(self, number: int) -> bool:
        return self.held.pop(number, None) is not None

    async def list_loras(self) -> set[int]:
        return set(self.held)


class World:
    """vLLM's models, our engine on top, and the pins of requests."""

    def __init__(self) -> None:
        from kaito.runtime.engine.lora import LoraEngine
        from kaito.runtime.engine.vllm_compat import BaseModelPath, LoRARequest, OpenAIServingModels

        self.core, self.pins = Core(), Pins()
        self.models = OpenAIServingModels(self.core, [BaseModelPath("phi", "/w")])
        self.models.lora_requests["given"] = LoRARequest("given", self.models.lora_id_counter.inc(1), "/given")
        self.core.held[1] = "/given"
        self.engine = LoraEngine(self.core, self.models, self.pins, largest_rank=16)

    async def load(self, version: str) -> int:
        return await self.engine.load("pirate", version, Path(f"/store/{version}"))

    def publish(self, number: int, version: str) -> None:
        target = Target(number, "pirate", version)
        self.engine.publish({"pirate": target, f"pirate@{version}": target, "prod": target, "ws": target})


async def test_a_swap_replaces_every_name_and_the_old_version_leaves_after_its_last_request() -> None:
    world = World()
    one = await world.load("v1")
    assert "pirate" not in world.models.lora_requests
    world.publish(one, "v1")
    with world.pins.request():
        handed = world.models.lora_requests["prod"]
        two = await world.load("v2")
        world.publish(two, "v2")
        unloading = asyncio.create_task(world.engine.unload(one))
        await asyncio.sleep(0)
        assert (handed.lora_path, set(world.core.held)) == ("/store/v1", {1, one, two})
        assert world.models.lora_requests["prod"].lora_path == "/store/v2"
        assert "pirate@v1" not in world.models.lora_requests
    await unloading
    assert world.core.held == {1: "/given", two: "/store/v2"}


async def test_two_versions_are_two_adapters_to_vllm_and_one_to_clients() -> None:
    world = World()
    numbers = [await world.load(version) for version in ("v1", "v2")]
    requests = []
    for number, version in zip(numbers, ("v1", "v2"), strict=True):
        world.publish(number, version)
        requests.append(world.models.lora_requests["pirate"])
    assert len(set(requests)) == 2
    assert [world.models.model_name(request) for request in requests] == ["pirate", "pirate"]
    assert world.models.model_name(None) == "phi"
    world.core.output_processor.lora_states.request_running("r", requests[0].lora_name)
    assert list(world.core.output_processor.lora_states.requests) == ["pirate"]


async def test_a_version_that_comes_back_before_its_last_request_has_ended_is_another_adapter_to_vllm() -> None:
    world = World()
    requests = []
    for _ in range(2):
        world.publish(await world.load("v1"), "v1")
        requests.append(world.models.lora_requests["pirate"])
    assert len(set(requests)) == 2  # or its engine would lose the slot of one of them, and die
    assert [world.models.model_name(request) for request in requests] == ["pirate", "pirate"]


async def test_the_workspace_is_one_of_the_base_model_s_names_while_it_has_no_adapter() -> None:
    world = World()
    world.engine.publish({"ws": None})
    assert (world.models.is_base_model("ws"), "ws" in world.models.lora_requests) == (True, False)
    world.publish(await world.load("v1"), "v1")
    assert (world.models.is_base_model("ws"), "ws" in world.models.lora_requests) == (False, True)
    assert [path.name for path in world.models.base_model_paths] == [
        "phi", "given", "pirate", "pirate@v1", "prod", "ws",
    ]  # fmt: skip
    cards = {card.id: card for card in (await world.models.show_available_models()).data}
    assert (cards["prod"].parent, cards["prod"].root) == ("phi", "pirate@v1")
    assert world.engine.adapters == ["pirate"]
    world.engine.publish({"ws": None})
    assert [card.id for card in (await world.models.show_available_models()).data] == ["phi", "ws", "given"]


async def test_what_cannot_be_loaded_leaves_nothing_in_the_engine() -> None:
    world = World()
    world.core.broken.add("/store/bad")
    with pytest.raises(AdapterError, match="the shapes do not fit") as caught:
        await world.load("bad")
    assert caught.value.reason == "LoadFailed"
    assert world.core.held == {1: "/given"}


async def test_what_the_command_line_gave_is_never_taken_away() -> None:
    world = World()
    assert world.engine.taken == {"phi", "given"}
    number = await world.load("v1")
    world.publish(number, "v1")
    world.engine.publish({})
    await world.engine.unload(number)
    await world.engine.unload(number)
    assert (list(world.models.lora_requests), world.core.held) == (["given"], {1: "/given"})
    assert await world.engine.resident() == {1}
