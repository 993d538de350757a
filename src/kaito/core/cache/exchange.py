"""What the decisions of a reflector (`list_watch.py`) and its I/O (`reflector.py`) say to each other."""

from dataclasses import dataclass

from kaito.core.errors import KaitoError


@dataclass(frozen=True, slots=True)
class Begin:
    """Nothing has happened yet."""


@dataclass(frozen=True, slots=True)
class PageListed:
    """A page came; its objects wait with the driver."""

    resource_version: str
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class ListFailed:
    """The list, or a page of it, was refused or lost."""

    error: KaitoError


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """The streaming list could not be opened."""

    error: KaitoError


@dataclass(frozen=True, slots=True)
class StreamBroken:
    """The streaming list ended before it was complete: in order, by an ERROR event or a broken connection (`error`)."""

    events: int
    seconds: float
    error: KaitoError | None = None


@dataclass(frozen=True, slots=True)
class WatchRefused:
    """The watch could not be opened."""

    error: KaitoError


@dataclass(frozen=True, slots=True)
class WatchEnded:
    """An open watch, or a streaming list that had been complete, ended: in order or by `error`."""

    last_version: str
    events: int
    seconds: float
    error: KaitoError | None = None


Message = Begin | PageListed | ListFailed | StreamRefused | StreamBroken | WatchRefused | WatchEnded


@dataclass(frozen=True, slots=True)
class FetchPage:
    """Wait `delay`, then ask for a page. One without a token begins a list: pages kept so far are dropped."""

    delay: float
    resource_version: str
    limit: int
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class StreamList:
    """Wait `delay`, then open a streaming list that is not older than `resource_version`, and stay on it as a watch."""

    delay: float
    resource_version: str
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class OpenWatch:
    """Wait `delay`, then watch from `resource_version`. With `commit`, the pages listed become the store first."""

    delay: float
    resource_version: str
    timeout_seconds: int
    commit: bool = False


Action = FetchPage | StreamList | OpenWatch
