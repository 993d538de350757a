"""List and watch as a pure state machine: what has happened goes in, what to do next comes out.

`reflector.py` carries the actions out. The rules are client-go's reflector: the first list may come from the server's
cache (version 0); a list after that is not older than what was seen; an expired version leads to a consistent list; a
watch that ends in order is opened again from the last version seen, one that ends at once counts as an error.
A streaming list (`sendInitialEvents`) would be one more action beside `FetchPage`.
"""

from dataclasses import dataclass, replace
from typing import Final

from kaito.core.cache.backoff import Backoff
from kaito.core.clock import Jitter
from kaito.core.errors import (
    ApiError,
    ConnectionLostError,
    ExpiredError,
    KaitoError,
    NotFoundError,
    TooManyRequestsError,
)

ANY_VERSION: Final = "0"
LATEST: Final = ""
PAGE_SIZE: Final = 500
SHORT_WATCH_SECONDS: Final = 1.0
WATCH_SECONDS: Final = (300.0, 600.0)
"""Each watch asks for a random length in this range, so that watches do not end together."""
MISSING_RESOURCE_SECONDS: Final = 5.0
"""Longest pause while the server does not serve the kind: its CRD may be installed at any moment."""
_TOO_LARGE: Final = "Too large resource version"


_FRESH: Final = Backoff()


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
class WatchRefused:
    """The watch could not be opened."""

    error: KaitoError


@dataclass(frozen=True, slots=True)
class WatchEnded:
    """An open watch ended: in order, by an ERROR event or a broken connection (`error`)."""

    last_version: str
    events: int
    seconds: float
    error: KaitoError | None = None


Message = Begin | PageListed | ListFailed | WatchRefused | WatchEnded


@dataclass(frozen=True, slots=True)
class FetchPage:
    """Wait `delay`, then ask for a page. One without a token begins a list: pages kept so far are dropped."""

    delay: float
    resource_version: str
    limit: int
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class OpenWatch:
    """Wait `delay`, then watch from `resource_version`. With `commit`, the pages listed become the store first."""

    delay: float
    resource_version: str
    timeout_seconds: int
    commit: bool = False


Action = FetchPage | OpenWatch


@dataclass(frozen=True, slots=True)
class State:
    """What a reflector knows."""

    last_version: str = ANY_VERSION
    list_version: str = ANY_VERSION
    page: int = 0
    server_pages: bool = False
    backoff: Backoff = _FRESH


@dataclass(frozen=True, slots=True)
class Moment:
    """Monotonic time and chance."""

    now: float
    jitter: Jitter


def step(state: State, message: Message, at: Moment) -> tuple[State, Action]:
    """Return what to do after `message`."""
    match message:
        case Begin():
            return _list(state, state.last_version, 0.0)
        case PageListed():
            return _after_page(state, message, at)
        case ListFailed(error):
            return _after_failed_list(state, error, at)
        case WatchRefused(error):
            if isinstance(error, ConnectionLostError | TooManyRequestsError):
                return _watch_again(state, at, error)
            return _relist(state, at, error)
        case WatchEnded():
            return _after_watch(state, message, at)


def _list(state: State, version: str, delay: float) -> tuple[State, Action]:
    """Begin a list. With a known version it is not paged, so that the server's watch cache can answer."""
    paged = version in (ANY_VERSION, LATEST) or state.server_pages
    return (
        replace(state, list_version=version, page=0),
        FetchPage(delay, version, PAGE_SIZE if paged else 0),
    )


def _after_page(state: State, page: PageListed, at: Moment) -> tuple[State, Action]:
    pages_at_any = state.server_pages or (bool(page.continue_token) and state.list_version == ANY_VERSION)
    state = replace(state, page=state.page + 1, server_pages=pages_at_any)
    if page.continue_token:
        return state, FetchPage(0.0, "", PAGE_SIZE, page.continue_token)
    state = replace(state, last_version=page.resource_version)
    return state, _watch(state, at, 0.0, commit=True)


def _after_failed_list(state: State, error: KaitoError, at: Moment) -> tuple[State, Action]:
    if isinstance(error, ExpiredError) and state.page > 0:
        return replace(state, page=0), FetchPage(0.0, state.list_version, 0)
    if _expired(error) and state.list_version != LATEST:
        return _list(state, LATEST, 0.0)
    pause, backoff = _pause(state, at, error)
    if isinstance(error, NotFoundError):
        pause = min(pause, MISSING_RESOURCE_SECONDS)
    return _list(replace(state, backoff=backoff), state.last_version, pause)


def _after_watch(state: State, ended: WatchEnded, at: Moment) -> tuple[State, Action]:
    state = replace(state, last_version=ended.last_version)
    if isinstance(ended.error, TooManyRequestsError):
        return _watch_again(state, at, ended.error)
    if isinstance(ended.error, ApiError):
        return _relist(state, at, ended.error)
    if ended.events == 0 and ended.seconds < SHORT_WATCH_SECONDS:
        return _relist(state, at, ended.error)
    return state, _watch(state, at, 0.0)


def _watch(state: State, at: Moment, delay: float, *, commit: bool = False) -> Action:
    shortest, longest = WATCH_SECONDS
    seconds = int(shortest + (longest - shortest) * at.jitter())
    return OpenWatch(delay, state.last_version, seconds, commit)


def _watch_again(state: State, at: Moment, error: KaitoError) -> tuple[State, Action]:
    pause, backoff = _pause(state, at, error)
    return replace(state, backoff=backoff), _watch(state, at, pause)


def _relist(state: State, at: Moment, error: KaitoError | None) -> tuple[State, Action]:
    pause, backoff = _pause(state, at, error)
    return _list(replace(state, backoff=backoff), state.last_version, pause)


def _pause(state: State, at: Moment, error: KaitoError | None) -> tuple[float, Backoff]:
    """Return the pause: the back-off's, or longer if the server asks for more."""
    pause, backoff = state.backoff.next(at.now, at.jitter)
    asked = error.retry_after if error is not None else None
    return max(pause, asked or 0.0), backoff


def _expired(error: KaitoError) -> bool:
    """Say whether a list must start over from the latest version; "too large" means a server restored from a backup."""
    if isinstance(error, ExpiredError):
        return True
    if not isinstance(error, ApiError):
        return False
    causes = error.status.details.get("causes") or ()
    return _TOO_LARGE in error.message or any(
        cause.get("reason") == "ResourceVersionTooLarge" for cause in causes if isinstance(cause, dict)
    )
