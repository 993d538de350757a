"""Memory that Python has freed goes back to the system, where the C library would keep it."""

import ctypes


def give_back() -> None:
    """Let the C library return what it holds free; nothing happens where it is not glibc.

    Building the OpenAPI documents takes many times their text for a moment, and glibc keeps such pages: 9 of 79 MiB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
