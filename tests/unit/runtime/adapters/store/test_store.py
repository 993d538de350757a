import errno
import subprocess
from concurrent.futures import ThreadPoolExecutor
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
    AdapterStore(tmp_path / "store", 1).keep([])
    assert stored.path.is_dir()


def test_the_least_recently_used_goes_and_what_is_kept_stays(tmp_path: Path, adapter_files: Any) -> None:
    size = 0
    sources = []
    for number in range(4):
        adapter_files.config["lora_alpha"] = 10 + number
        sources.append(adapter_files.write(tmp_path / str(number)))
        size = sum(path.stat().st_size for path in sources[0].iterdir())
    store = AdapterStore(tmp_path / "store", 3 * size)
    first, second, third = (put(store, source) for source in sources[:3])
    store.keep([first.digest, second.digest, third.digest])
    store.keep([first.digest, third.digest])
    fourth = put(store, sources[3])
    assert {path.name for path in entries(tmp_path)} == {stored.digest[7:] for stored in (first, third, fourth)}
    with pytest.raises(AdapterError) as raised:
        put(store, sources[1])
    assert (raised.value.reason, raised.value.passes) == ("DiskFull", True)
    store.keep([first.digest, fourth.digest])
    assert put(store, sources[1]).digest == second.digest
    assert store.find(third.digest) is None


def test_what_nobody_ever_names_goes_when_room_is_needed(tmp_path: Path, adapter_files: Any) -> None:
    source = adapter_files.write(tmp_path / "0")
    store = AdapterStore(tmp_path / "store", sum(path.stat().st_size for path in source.iterdir()))
    for _ in range(3):
        put(store, source)
        store.keep([])
        adapter_files.config["lora_alpha"] += 1
        adapter_files.write(source)


def test_another_content_than_expected_is_no_entry(store: AdapterStore, adapter_files: Any, tmp_path: Path) -> None:
    with store.staging() as folder:
        adapter_files.write(folder)
        with pytest.raises(AdapterError, match="asked for is sha256:0000") as raised:
            store.commit(folder, expected="sha256:" + "0" * 64)
        assert (raised.value.reason, raised.value.passes) == ("DigestMismatch", False)
        assert entries(tmp_path) == []
        digest = store.commit(folder).digest
    with store.staging() as folder:
        adapter_files.write(folder)
        assert store.commit(folder, expected=digest).digest == digest


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:../../etc", "md5:" + "0" * 64, "sha256:" + "G" * 64])
def test_what_is_no_digest_is_no_path(store: AdapterStore, text: str) -> None:
    assert store.find(text) is None
    store.keep([text])


def test_an_entry_in_use_by_another_server_stays(tmp_path: Path, adapter_files: Any) -> None:
    theirs, ours = (AdapterStore(tmp_path / "store", 1) for _ in range(2))
    source = adapter_files.write(tmp_path / "a")
    unlimited = AdapterStore(tmp_path / "store", LIMIT)
    stored = put(unlimited, source)
    assert theirs.find(stored.digest) == stored
    unlimited.keep([])
    ours.keep([])
    assert stored.path.is_dir()
    theirs.keep([])
    assert not stored.path.is_dir()


def test_what_another_server_is_putting_together_stays(tmp_path: Path, store: AdapterStore, adapter_files: Any) -> None:
    with store.staging() as folder:
        adapter_files.write(folder)
        left_over = folder.parent / "left-over"
        left_over.mkdir()
        (left_over / "part").touch()
        other = AdapterStore(tmp_path / "store", LIMIT)
        assert not left_over.exists()
        stored = store.commit(folder)
    assert other.find(stored.digest) == stored


def test_what_does_not_belong_to_an_adapter_is_dropped(store: AdapterStore, adapter_files: Any) -> None:
    with store.staging() as folder:
        adapter_files.write(folder)
        (folder / "adapter_model.bin").touch()
        (folder / "link").symlink_to("/etc")
        (folder / "checkpoint-1").mkdir()
        stored = store.commit(folder)
    names = {path.name for path in stored.path.iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "SHA256SUMS"}


def test_an_unfinished_folder_is_no_entry(store: AdapterStore, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="no adapter_config"), store.staging() as folder:
        store.commit(folder)
    assert entries(tmp_path) == []
    assert not list((tmp_path / "store" / "staging").iterdir())


def test_a_full_disk_while_an_adapter_is_put_together_is_told(store: AdapterStore) -> None:
    with pytest.raises(AdapterError) as raised, store.staging():
        raise OSError(errno.ENOSPC, "full")
    assert (raised.value.reason, raised.value.passes) == ("DiskFull", True)
    with pytest.raises(PermissionError), store.staging():
        raise PermissionError(errno.EACCES, "not ours")


def test_many_threads_of_two_servers_share_one_store(tmp_path: Path, adapter_files: Any) -> None:
    sources = []
    for number in range(8):
        adapter_files.config["lora_alpha"] = 10 + number
        sources.append(adapter_files.write(tmp_path / str(number)))
    size = sum(path.stat().st_size for path in sources[0].iterdir())
    stores = [AdapterStore(tmp_path / "store", 3 * size) for _ in range(2)]

    def work(number: int) -> StoredAdapter | None:
        try:
            return put(stores[number % 2], sources[number])
        except AdapterError:  # DiskFull: the others keep theirs
            return None

    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            stored = {each.path for each in threads.map(work, range(8)) if each}
            assert (len(stored), stored) == (3, set(entries(tmp_path)))
            for store in stores:
                store.keep([])
    assert not list((tmp_path / "store" / "staging").iterdir())
