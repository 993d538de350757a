"""Lessens an adapter's effect by its config alone: the effect is proportional to alpha, so no weight is changed."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from kaito.runtime.adapters.check import CONFIG_FILE, WEIGHTS_FILE
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.store import AdapterStore, StoredAdapter


def parse_strength(text: str) -> float:
    """Return the factor that a text says. Raises AdapterError (ConfigInvalid) unless it is a number from 0 to 1."""
    try:
        strength = float(text)
    except ValueError:
        strength = -1
    if not 0 <= strength <= 1:
        raise AdapterError("ConfigInvalid", f"The strength {text!r:.100} is no number from 0 to 1.")
    return strength


def strengthened(stored: StoredAdapter, strength: str, store: AdapterStore) -> StoredAdapter:
    """Return the entry with `strength` times the effect: `lora_alpha` and each `alpha_pattern` are scaled.

    Strength 1 is the same entry. The weights are shared with it (a hard link) where the file system can. Raises
    AdapterError: ConfigInvalid for another strength than 0 to 1, and what `AdapterStore.commit` raises.
    """
    factor = parse_strength(strength)
    if factor == 1:
        return stored
    with store.staging() as folder:
        content: dict[str, Any] = json.loads((stored.path / CONFIG_FILE).read_bytes())
        content["lora_alpha"] *= factor
        if content.get("alpha_pattern"):
            content["alpha_pattern"] = {key: alpha * factor for key, alpha in content["alpha_pattern"].items()}
        (folder / CONFIG_FILE).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        _share(stored.path / WEIGHTS_FILE, folder / WEIGHTS_FILE)
        return store.commit(folder)


def _share(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
