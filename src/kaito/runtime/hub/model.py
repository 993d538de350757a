"""One model on the hub, and its copy on this node."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_token, snapshot_download
from huggingface_hub.utils import WeakFileLock, disable_progress_bars, logging

from kaito import __version__
from kaito.runtime.hub.hub_error import HubError, hub_error
from kaito.runtime.hub.session import prepare_session

ALLOWED = ("*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "*.model.v*", "*.tiktoken")
"""What vLLM needs of a repository: weights, settings and tokenizer."""

IGNORED = ("*/*", "consolidated*")
"""The same weights again in other formats, as Mistral's and Llama's repositories have them."""

LOCK_SECONDS = 0.1
"""How long a lock is waited for that nobody should hold."""


@dataclass(frozen=True)
class HubModel:
    """A repository at a revision, and the cache its files go to. Asks $HF_ENDPOINT, with $HF_TOKEN where it is set."""

    repository: str
    revision: str
    cache: Path
    allowed: tuple[str, ...] = ALLOWED

    def size(self) -> tuple[int, int]:
        """Return the bytes of all files, and of those that are here already. Raises HubError."""
        files = self._snapshot(dry_run=True)
        return sum(file.file_size for file in files), sum(file.file_size for file in files if file.is_cached)

    def download(self) -> Path:
        """Return the folder of the files, complete. No request if it is there already. Raises HubError."""
        self._remove_abandoned()
        return Path(self._snapshot())

    def check_room(self, size: int) -> None:
        """Raise HubError unless the disk has room for `size` bytes. The library would begin, and fill the disk."""
        with self._errors():
            self.cache.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.cache).free
        if free < size:
            what = f"{size / 1e9:.1f} GB of {self.repository} are still to come, and {self.cache} has room for "
            remedy = "Free space on the node; it goes on by itself."
            raise HubError("DiskFull", f"{what}{free / 1e9:.1f} GB.", remedy=remedy, passes=True)

    def bytes_here(self) -> int:
        """Return the bytes on the disk, those of unfinished files too."""
        total = 0
        for path in self._blobs.glob("*"):
            with suppress(OSError):  # renamed while we looked
                state = path.stat()
                total += min(state.st_size, state.st_blocks * 512)  # a file may be written from several places at once
        return total

    def _snapshot(self, **options: Any) -> Any:
        prepare_session()
        disable_progress_bars()
        logging.set_verbosity_error()  # its warnings have links with signatures in them
        with self._errors():
            return snapshot_download(
                self.repository,
                revision=self.revision,
                cache_dir=self.cache,
                endpoint=self.endpoint,
                allow_patterns=list(self.allowed),
                ignore_patterns=list(IGNORED),
                library_name="kaito",
                library_version=__version__,
                **options,
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            named = hub_error(error, self.repository, self.revision, self.endpoint, token=get_token() is not None)
            raise named from error

    @property
    def endpoint(self) -> str:
        """The hub that is asked."""
        return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")

    @property
    def _folder(self) -> str:
        return f"models--{self.repository.replace('/', '--')}"

    @property
    def _blobs(self) -> Path:
        return self.cache / self._folder / "blobs"

    def _remove_abandoned(self) -> None:
        """Remove what killed processes left: the library never goes on with it, nor removes it (release 2.4)."""
        for path in self._blobs.glob("*.incomplete"):
            lock = self.cache / ".locks" / self._folder / f"{path.name.partition('.')[0]}.lock"
            with suppress(OSError), WeakFileLock(lock, timeout=LOCK_SECONDS):  # held: it is still being written
                path.unlink(missing_ok=True)
