"""The two files of an adapter, opened so that nothing but a plain file is ever read."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from kaito.contracts import AdapterReason
from kaito.runtime.adapters.failure import AdapterError

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
_PICKLES = ("adapter_model.bin", "adapter_model.pt")
_MISSING: dict[str, AdapterReason] = {CONFIG_FILE: "ConfigMissing", WEIGHTS_FILE: "WeightsMissing"}


def open_plain(path: Path) -> BufferedReader:
    """Open one of the two files for reading.

    A symbolic link is not followed; a pipe or device is not waited for. Raises AdapterError: `UnsafeFile` for both,
    `ConfigMissing` or `WeightsMissing` when there is no such file, `SourceUnreachable` when it cannot be read now.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise AdapterError(_MISSING.get(path.name, "SourceUnreachable"), _missing_message(path)) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            raise _unsafe(path) from None
        raise AdapterError(
            "SourceUnreachable", f"{path.name} cannot be read: {error.strerror}.", passes=True
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unsafe(path)
    return os.fdopen(descriptor, "rb")


def _unsafe(path: Path) -> AdapterError:
    return AdapterError("UnsafeFile", f"{path.name} is no plain file but a link, folder, pipe or device.")


def _missing_message(path: Path) -> str:
    if path.name == CONFIG_FILE:
        return f"There is no {CONFIG_FILE}; an adapter is a folder with it and {WEIGHTS_FILE}."
    pickles = [name for name in _PICKLES if (path.parent / name).exists()]
    if pickles:
        return f"{pickles[0]} can run code when it is read; save the adapter as {WEIGHTS_FILE}."
    return f"There is no {path.name}."
