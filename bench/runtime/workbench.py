"""A folder for one row: its model, its adapters, and the settings of both servers on them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.runtime.adapters import write_adapter
from bench.runtime.device import Device
from bench.runtime.models import Shape, write_model
from bench.runtime.servers import Setting

OWN_STORE = "--kaito-adapter-store"


@dataclass(frozen=True)
class Workbench:
    """What the servers of a row share."""

    device: Device
    shape: Shape
    folder: Path
    model: Path

    def adapter(self, name: str, *, seed: int, rank: int | None = None) -> Path:
        """Write an adapter and return its folder; it is in nobody's adapter folder yet."""
        return write_adapter(self.shape, self.folder / "made" / name, rank=rank or self.device.adapter_rank, seed=seed)

    def setting(self, *, lora: tuple[str, ...] = ()) -> Setting:
        """Return how both servers are started; `lora` are the flags that turn LoRA on."""
        return Setting(self.model, self.folder, (*self.device.flags, *lora))

    def with_adapters(self, setting: Setting, adapters: dict[str, Path]) -> Setting:
        """Return the setting with adapters from the start: links in a folder for ours, --lora-modules for vLLM's."""
        folder = Path(tempfile.mkdtemp(prefix="adapters-", dir=self.folder))
        for name, path in adapters.items():
            shutil.copytree(path, folder / name)
        own = (*setting.own, f"--kaito-adapters-dir={folder}")
        return replace(setting, own=own, modules=tuple(f"{name}={path}" for name, path in adapters.items()))


@contextmanager
def workbench(device: Device, shape: Shape) -> Iterator[Workbench]:
    """Write the model and remove everything afterwards."""
    with tempfile.TemporaryDirectory(prefix="kaito-bench-") as name:
        folder = Path(name)
        yield Workbench(device, shape, folder, write_model(shape, folder / "model"))


def lora_flags(*, slots: int, rank: int, spare: int = 0) -> tuple[str, ...]:
    """Return the flags for `slots` adapters at once, and `spare` more in main memory."""
    return ("--enable-lora", f"--max-loras={slots}", f"--max-cpu-loras={slots + spare}", f"--max-lora-rank={rank}")
