"""Adapters for the stand-in of a cluster: made by the command, damaged and widened by hand."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def make_adapters(base: Path, folder: Path, *styles: str) -> None:
    """Have `kaito-runtime` make one of each style, in a folder of its name; all at once: each is busy on one core."""
    command = [sys.executable, "-m", "kaito.runtime.main", "stand-in-adapter", f"--base={base}"]
    making = [subprocess.Popen([*command, f"--output={folder / style}", f"--style={style}"]) for style in styles]
    try:
        assert [process.wait(300) for process in making] == [0] * len(styles)
    finally:
        for process in making:
            process.kill()


def damaged(adapter: Path, output: Path) -> Path:
    """Return a copy whose weights are cut short."""
    shutil.copytree(adapter, output)
    with (output / WEIGHTS).open("r+b") as file:
        file.truncate(9000)
    return output


def widened(adapter: Path, output: Path, rank: int) -> Path:
    """Return a copy of a higher rank and the same effect: the ranks that are added are zero."""
    output.mkdir()
    config = json.loads((adapter / CONFIG).read_bytes())
    before = config["r"]
    tensors = _read(adapter / WEIGHTS)
    for name, (shape, values) in tensors.items():
        if ".lora_A." in name:  # (rank, in): whole rows more
            tensors[name] = ((rank, shape[1]), values + bytes(4 * (rank - before) * shape[1]))
        else:  # (out, rank): each row longer
            rows = (values[4 * before * row : 4 * before * (row + 1)] for row in range(shape[0]))
            tensors[name] = ((shape[0], rank), b"".join(row + bytes(4 * (rank - before)) for row in rows))
    _write(output / WEIGHTS, tensors)
    config |= {"r": rank, "lora_alpha": config["lora_alpha"] * rank // before}
    (output / CONFIG).write_text(json.dumps(config))
    return output


def _read(path: Path) -> dict[str, tuple[tuple[int, ...], bytes]]:
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    return {
        name: (
            tuple(entry["shape"]),
            content[8 + length + entry["data_offsets"][0] : 8 + length + entry["data_offsets"][1]],
        )
        for name, entry in header.items()
    }


def _write(path: Path, tensors: dict[str, tuple[tuple[int, ...], bytes]]) -> None:
    header: dict[str, Any] = {}
    data = b""
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
