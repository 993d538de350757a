"""What is known of the adapters before the engine is started: how many there will be, and of which rank."""

from pathlib import Path

from kaito.runtime.adapters.adapter_set import InvalidSetError, parse_set
from kaito.runtime.adapters.check.files import CONFIG_FILE, open_plain
from kaito.runtime.adapters.check.peft_config import LONGEST_CONFIG, parse_config
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.folders import adapter_folders
from kaito.runtime.adapters.store.copying import inside


def ranks_found(directory: Path | None, set_file: Path | None) -> tuple[int, ...]:
    """Return the rank of each adapter that is wanted so far; 0 where only its files will tell. Never raises."""
    folders = adapter_folders(directory)
    return (*(_rank(folder) for folder in folders), *([0] * _wanted(set_file)))


def _rank(folder: Path) -> int:
    try:
        with open_plain(inside(folder / CONFIG_FILE, folder.resolve())) as file:
            return parse_config(file.read(LONGEST_CONFIG)).largest_rank
    except (OSError, RuntimeError, AdapterError):  # RuntimeError: a link that leads to itself
        return 0


def _wanted(set_file: Path | None) -> int:
    if set_file is None:
        return 0
    try:
        return len(parse_set(set_file.read_bytes())["adapters"])
    except (OSError, InvalidSetError):
        return 0
