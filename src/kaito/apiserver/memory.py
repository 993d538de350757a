"""Memory that Python has freed goes back to the system, where the C library would keep it."""

import ctypes


def give_back() -> None:
    """Let the C library return what it holds free; nothing happens where it is not glibc.

    A burst of requests (a list, the OpenAPI documents) takes many times its text for a moment, and glibc keeps such
    pages: 9 of 79 MiB after a Workspace has become ready. One call takes about a millisecond.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
