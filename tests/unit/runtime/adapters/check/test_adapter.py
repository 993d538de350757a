import json
import math
from pathlib import Path
from typing import Any

import pytest
from runtime.bad_adapters import BAD_ADAPTERS, config

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import ServedBase, check_adapter, read_base, scan_finite

NAMES = ("phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct")


@pytest.fixture
def base(base_folder: Path) -> ServedBase:
    return read_base(base_folder, NAMES)


def refusal(folder: Path, base: ServedBase) -> AdapterError:
    """Return why an adapter is refused, by its header or by its numbers."""
    try:
        check_adapter(folder, base)
        scan_finite(folder)
    except AdapterError as error:
        return error
    raise AssertionError("it was accepted")


def test_a_good_adapter_is_described(adapter_files: Any, tmp_path: Path, base: ServedBase) -> None:
    folder = adapter_files.write(tmp_path / "a")
    found = check_adapter(folder, base)
    scan_finite(folder)
    assert (found.rank, found.alpha, found.dtype, found.use_rslora) == (8, 16.0, "F32", False)
    assert found.modules == ("o_proj", "qkv_proj")
    assert found.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert found.base_model_name == "microsoft/Phi-3-mini-4k-instruct"


@pytest.mark.parametrize("case", BAD_ADAPTERS)
def test_what_vllm_takes_or_chokes_on_is_refused(
    case: str, adapter_files: Any, tmp_path: Path, base: ServedBase
) -> None:
    change, reason, message = BAD_ADAPTERS[case]
    change(adapter_files, tmp_path / "a")
    error = refusal(tmp_path / "a", base)
    assert (error.reason, error.passes) == (reason, False)
    assert message in error.message


def test_json_of_any_kind_in_the_config_never_raises_anything_else(tmp_path: Path, adapter_files: Any) -> None:
    folder = adapter_files.write(tmp_path / "a")
    for text in (b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, json.dumps({"r": math.nan}).encode(), b" " * 2**21):
        config(folder).write_bytes(text)
        assert refusal(folder, ServedBase()).reason == "ConfigInvalid"
