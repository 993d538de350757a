"""A process that ends at any step of a commit leaves a store that the next one carries on with."""

import itertools
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

from kaito.runtime.adapters.store import AdapterStore

STEPS = frozenset({"open", "os.mkdir", "os.chmod", "os.rename", "os.utime", "os.remove", "os.rmdir", "fcntl.flock"})


def put(root: Path, source: Path) -> str:
    store = AdapterStore(root, 10**9)
    with store.staging() as folder:
        store.admit(source, folder)
        return store.commit(folder).digest


def put_and_end_at(step: int, root: Path, source: Path) -> None:
    """End this process, with nothing tidied up, before the given step on files of the store."""
    steps = itertools.count()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STEPS and str(root) in str(arguments) + event * (event == "fcntl.flock") and next(steps) == step:
            os._exit(9)

    sys.addaudithook(hook)
    put(root, source)
    os._exit(0)


def test_the_next_start_carries_on_wherever_the_last_one_ended(adapter_files: Any, tmp_path: Path) -> None:
    source = adapter_files.write(tmp_path / "source")
    digest = put(tmp_path / "whole", source)
    context = multiprocessing.get_context("fork")
    for step in itertools.count():
        root = tmp_path / f"store-{step}"
        child = context.Process(target=put_and_end_at, args=(step, root, source))
        child.start()
        child.join()
        store = AdapterStore(root, 10**9)
        assert list((root / "staging").iterdir()) == []
        found = store.find(digest)
        assert found is None or (found.path / "SHA256SUMS").is_file()
        assert put(root, source) == digest
        if child.exitcode == 0:
            break
    assert step > 20
