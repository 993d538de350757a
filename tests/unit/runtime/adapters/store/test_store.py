import subprocess
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.store import AdapterStore, StoredAdapter

LIMIT = 10**9


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "store", LIMIT)


def put(store: AdapterStore, source: Path) -> StoredAdapter:
    with store.staging() as folder:
        store.admit(source, folder)
        return store.commit(folder)


def entries(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "store" / "sha256").iterdir())


def test_the_digest_is_what_sha256sum_says(store: AdapterStore, adapter_files: Any, tmp_path: Path) -> None:
    source = adapter_files.write(tmp_path / "a")
    stored = put(store, source)
    command = "sha256sum adapter_config.json adapter_model.safetensors | sha256sum"
    found = subprocess.run(command, shell=True, cwd=source, capture_output=True, text=True, check=True).stdout
    assert stored.digest == "sha256:" + found.split()[0]
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=stored.path, check=False).returncode == 0
    assert stored.size_bytes == sum(path.stat().st_size for path in source.iterdir())


def test_the_same_content_is_one_read_only_entry(store: AdapterStore, adapter_files: Any, tmp_path: Path) -> None:
    source = adapter_files.write(tmp_path / "a")
    assert put(store, source) == put(store, source)
    [entry] = entries(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in entry.iterdir()} == {0o444}
    assert not list((tmp_path / "store" / "staging").iterdir())


def test_what_is_found_is_what_was_committed(store: AdapterStore, adapter_files: Any, tmp_path: Path) -> None:
    stored = put(store, adapter_files.write(tmp_path / "a"))
    assert AdapterStore(tmp_path / "store", LIMIT).find(stored.digest) == stored
    assert store.find("sha256:" + "0" * 64) is None


def test_a_changed_byte_is_noticed_and_the_entry_fetched_anew(
    store: AdapterStore, adapter_files: Any, tmp_path: Path
) -> None:
    source = adapter_files.write(tmp_path / "a")
    stored = put(store, source)
    weights = stored.path / "adapter_model.safetensors"
    weights.chmod(0o644)
    with weights.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(AdapterError) as raised:
        store.find(stored.digest)
    assert (raised.value.reason, raised.value.passes) == ("DigestMismatch", True)
    assert store.find(stored.digest) is None
    assert put(store, source) == stored


def test_the_least_recently_used_goes_and_what_is_kept_stays(tmp_path: Path, adapter_files: Any) -> None:
    size = 0
    sources = []
    for number in range(4):
        adapter_files.config["lora_alpha"] = 10 + number
        sources.append(adapter_files.write(tmp_path / str(number)))
        size = sum(path.stat().st_size for path in sources[0].iterdir())
    store = AdapterStore(tmp_path / "store", 3 * size)
    first, second, third = (put(store, source) for source in sources[:3])
    store.keep([first.digest, third.digest])
    fourth = put(store, sources[3])
    assert {path.name for path in entries(tmp_path)} == {stored.digest[7:] for stored in (first, third, fourth)}
    with pytest.raises(AdapterError) as raised:
        put(store, sources[1])
    assert (raised.value.reason, raised.value.passes) == ("DiskFull", True)
    store.keep([first.digest, fourth.digest])
    assert put(store, sources[1]).digest == second.digest
    assert store.find(third.digest) is None
