"""The adapters in vLLM's engine, and the names under which its server finds them. For the serving event loop.

A swap is load-new, replace the names, unload-old when its last request has ended. Neither vLLM's own in-place load (it
reads the files again at every step, and mixes versions within one answer) nor its unload (it leaves the adapter in the
engine) is used.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.names import Names
from kaito.runtime.engine import vllm_compat
from kaito.runtime.engine.causes import first_sentences
from kaito.runtime.front.pins import Pins

T = TypeVar("T")


class LoraEngine:
    """Loads, names and unloads adapters. `models` is the application's `openai_serving_models`.

    Within the engine each load has a name of its own, `name@version#number`: vLLM takes two requests with one name for
    one adapter, forgets the slot of one while both are in a batch, and its engine dies. A version that comes back while
    its last requests run is loaded again, too. Clients see the adapter's own name in answers.
    """

    def __init__(self, engine: Any, models: Any, pins: Pins, *, largest_rank: int) -> None:
        self.largest_rank = largest_rank
        self._engine = engine
        self._models = models
        self._pins = pins
        self._own_base = tuple(models.base_model_paths)
        self._base = list(self._own_base)
        self._one_at_a_time = asyncio.Lock()
        self._loaded: dict[int, Any] = {}
        self._adapters: list[str] = []
        self._given = frozenset(models.lora_requests)
        self._names = _Names(models.lora_requests, pins)
        self._show_base = models.registry.show_available_models
        models.registry.base_model_paths = self._base
        models.base_model_paths = _Served(self._base, self._names)
        models.lora_requests = self._names
        models.model_name = self._model_name
        models.show_available_models = self._show
        engine.output_processor.lora_states = _States(engine.log_stats, self._own_name)

    @property
    def taken(self) -> frozenset[str]:
        """Names that are not to be given: the base model's, and those of `--lora-modules`."""
        return self._given | {path.name for path in self._own_base}

    @property
    def adapters(self) -> list[str]:
        """The adapters' own names that clients are answered under."""
        return self._adapters

    async def load(self, name: str, version: str, folder: Path) -> int:
        """Load an adapter into the engine; nobody is answered by it yet. Raises AdapterError (LoadFailed)."""
        async with self._one_at_a_time:
            number = int(self._models.lora_id_counter.inc(1))
            request = vllm_compat.LoRARequest(f"{name}@{version}#{number}", number, str(folder))
            try:
                await self._engine.add_lora(request)
            except Exception as error:  # noqa: BLE001 - vLLM has no type for these
                await self._remove_others()
                raise AdapterError("LoadFailed", first_sentences(f"vLLM cannot load it: {error}")) from None
            self._loaded[number] = request
            return number

    def publish(self, names: Names) -> None:
        """Let clients be answered under exactly these names from now on, all at once."""
        targets = {name: target for name, target in names.items() if target is not None}
        self._adapters = sorted({target.own for target in targets.values()})
        path = self._own_base[0].model_path
        aliases = [vllm_compat.BaseModelPath(name, path) for name, target in names.items() if target is None]
        self._base[:] = [*self._own_base, *aliases]
        self._names.show({name: self._loaded[target.number] for name, target in targets.items()})

    async def unload(self, number: int) -> None:
        """Take an adapter out of the engine when the last request that was handed it has ended."""
        await self._pins.until_free(number)
        async with self._one_at_a_time:
            if self._loaded.pop(number, None) is not None:
                await self._remove_others()

    async def resident(self) -> frozenset[int]:
        """Return the numbers that the engine holds in memory."""
        return frozenset(await self._engine.list_loras())

    async def _remove_others(self) -> None:
        """Remove what is in the engine and not ours to serve: what was just let go, and what half a load left."""
        kept = set(self._loaded) | {self._names.number(name) for name in self._given}
        for number in set(await self._engine.list_loras()) - kept:
            await self._engine.remove_lora(number)

    def _model_name(self, request: Any = None) -> str:
        """Return what answers call the model: the adapter's own name whatever version, alias or digest was asked."""
        if request is None:
            return str(self._base[0].name)
        return self._own_name(str(request.lora_name))

    def _own_name(self, name: str) -> str:
        """Return an adapter's name without its version."""
        return name if name in self._given else name.partition("@")[0]

    async def _show(self) -> Any:
        """Return vLLM's list of models with every name; `root` of an adapter is `name@version`, never a path."""
        models = await self._show_base()
        for name, request in self._names.items():
            models.data.append(
                vllm_compat.ModelCard(
                    id=name,
                    root=name if name in self._given else request.lora_name.partition("#")[0],
                    parent=self._base[0].name,
                    permission=[vllm_compat.ModelPermission()],
                )
            )
        return models


class _Names(dict[str, Any]):
    """vLLM's table from model name to adapter. Looking one up holds it for the request that does."""

    def __init__(self, given: Mapping[str, Any], pins: Pins) -> None:
        super().__init__(given)
        self._given = dict(given)
        self._pins = pins

    def __getitem__(self, name: str) -> Any:
        request = super().__getitem__(name)
        self._pins.hold(request.lora_int_id)
        return request

    def number(self, name: str) -> int:
        """Return the engine's number of what a name asks, and hold nothing."""
        return int(super().__getitem__(name).lora_int_id)

    def show(self, names: Mapping[str, Any]) -> None:
        """Have exactly these names, beside those that the command line gave."""
        following = self._given | dict(names)
        self.update(following)  # replaced before others are removed: no name is missing in between
        for name in set(self) - set(following):
            del self[name]


class _States(vllm_compat.LoRARequestStates):  # type: ignore[misc]
    """What `vllm:lora_requests_info` is made of: routers look there for the names that clients ask."""

    def __init__(self, log_stats: bool, own_name: Callable[[str], str]) -> None:
        super().__init__(log_stats)
        self._own_name = own_name

    def request_waiting(self, request: str, name: str | None) -> None:
        super().request_waiting(request, name and self._own_name(name))

    def request_running(self, request: str, name: str | None) -> None:
        super().request_running(request, name and self._own_name(name))

    def request_finished(self, request: str, name: str | None) -> None:
        super().request_finished(request, name and self._own_name(name))


class _Served:
    """What vLLM lists in "does not exist" answers: the base model's names, and the adapters' too."""

    def __init__(self, base: list[Any], names: Mapping[str, Any]) -> None:
        self._base = base
        self._adapters = names

    def __iter__(self) -> Iterator[Any]:
        yield from self._base
        for name in self._adapters:
            yield vllm_compat.BaseModelPath(name, "")

    def __getitem__(self, index: int) -> Any:
        return self._base[index]


class LoraEngineElsewhere:
    """A `LoraEngine` for another thread's event loop: every call is run on the loop that serves."""

    def __init__(self, engine: LoraEngine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self.largest_rank = engine.largest_rank
        self.taken = engine.taken

    async def load(self, name: str, version: str, folder: Path) -> int:
        """See `LoraEngine.load`."""
        return await self._call(self._engine.load(name, version, folder))

    async def publish(self, names: Names) -> None:
        """See `LoraEngine.publish`."""

        async def publish() -> None:
            self._engine.publish(names)

        await self._call(publish())

    async def unload(self, number: int) -> None:
        """See `LoraEngine.unload`."""
        await self._call(self._engine.unload(number))

    async def resident(self) -> frozenset[int]:
        """See `LoraEngine.resident`."""
        return await self._call(self._engine.resident())

    async def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
