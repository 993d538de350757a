"""List and watch as a pure state machine: what has happened goes in, what to do next comes out.

`reflector.py` carries the actions out. The rules are client-go's reflector: the objects come over a watch that goes on
afterwards, or, where the server cannot, as a list that may come from its cache (version 0); a list after the first
is not older than what was seen; an expired version leads to a consistent list; a watch that ends in order is opened
again from the last version seen, one that ends at once counts as an error. Where client-go would try again without a
pause for as long as a server misbehaves, there is a pause here.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from kaito.core.cache.backoff import Backoff
from kaito.core.cache.exchange import (
    Action,
    Begin,
    FetchPage,
    ListFailed,
    Message,
    OpenWatch,
    PageListed,
    StreamBroken,
    StreamList,
    StreamRefused,
    WatchEnded,
    WatchRefused,
)
from kaito.core.cache.settings import ReflectorSettings
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
SHORT_WATCH_SECONDS: Final = 1.0
SHORT_WATCHES: Final = 3
"""Watches in a row that may end within a second although they brought something; the next one waits."""
BROKEN_STREAMS: Final = 3
"""Streaming lists in a row that may break off before the objects are listed instead."""
MISSING_RESOURCE_SECONDS: Final = 5.0
"""Longest pause while the server does not serve the kind: its CRD may be installed at any moment."""
_TOO_LARGE: Final = "Too large resource version"


class State(msgspec.Struct, frozen=True):
    """What a reflector knows."""

    settings: ReflectorSettings
    backoff: Backoff
    """Spaces what is tried again."""
    last_version: str = ANY_VERSION
    """Up to where everything has been seen."""
    list_version: str = ANY_VERSION
    """What the list that goes on, or comes next, must not be older than."""
    listing: bool = False
    """The objects are listed, because they could not be streamed."""
    page: int = 0
    server_pages: bool = False
    unpaged: bool = False
    """A page had expired, so the list goes on as a whole."""
    broken_streams: int = 0
    short_watches: int = 0
    internal_errors_since: float | None = None

    @classmethod
    def new(cls, settings: ReflectorSettings) -> "State":
        """Return the state of a reflector that has not begun."""
        return cls(settings, settings.backoff, listing=not settings.streaming)


@dataclass(frozen=True, slots=True)
class Moment:
    """Monotonic time and chance."""

    now: float
    jitter: Jitter


def step(state: State, message: Message, at: Moment) -> tuple[State, Action]:
    """Return what to do after `message`."""
    match message:
        case Begin():
            return _fetch(state, state.last_version, at, 0.0)
        case PageListed():
            return _after_page(state, message, at)
        case ListFailed(error):
            return _after_failed_list(state, error, at)
        case StreamRefused(error):
            return _after_failed_stream(state, error, at)
        case StreamBroken(error=ApiError() as error):
            return _after_failed_stream(state, error, at)
        case StreamBroken():
            return _after_cut_stream(state, message, at)
        case WatchRefused(error):
            if isinstance(error, ConnectionLostError | TooManyRequestsError):
                return _watch_again(state, at, error)
            return _fetch_again(state, at, error)
        case WatchEnded():
            return _after_watch(state, message, at)


def _fetch(state: State, version: str, at: Moment, delay: float) -> tuple[State, Action]:
    """Begin to fetch all objects, as a stream or as a list.

    With a known version a list is not paged, so that the server's watch cache can answer.
    """
    state = replace(state, list_version=version, page=0, unpaged=False)
    if not state.listing:
        stream = StreamList(delay, LATEST if version == ANY_VERSION else version, _watch_seconds(state, at))
        return state, stream
    paged = version in (ANY_VERSION, LATEST) or state.server_pages
    return state, FetchPage(delay, version, state.settings.page_size if paged else 0)


def _after_page(state: State, page: PageListed, at: Moment) -> tuple[State, Action]:
    pages_at_any = state.server_pages or (bool(page.continue_token) and state.list_version == ANY_VERSION)
    state = replace(state, page=state.page + 1, server_pages=pages_at_any)
    if page.continue_token:
        limit = 0 if state.unpaged else state.settings.page_size
        return state, FetchPage(0.0, "", limit, page.continue_token)
    state = replace(state, last_version=page.resource_version, listing=not state.settings.streaming)
    return state, _watch(state, at, 0.0, commit=True)


def _after_failed_list(state: State, error: KaitoError, at: Moment) -> tuple[State, Action]:
    if isinstance(error, ExpiredError) and state.page > 0 and not state.unpaged:
        return replace(state, page=0, unpaged=True), FetchPage(0.0, state.list_version, 0)
    if _expired(error) and state.list_version != LATEST:
        return _fetch(state, LATEST, at, 0.0)
    pause, state = _pause(state, at, error)
    if isinstance(error, NotFoundError):
        pause = min(pause, MISSING_RESOURCE_SECONDS)
    return _fetch(state, state.list_version, at, pause)


def _after_failed_stream(state: State, error: KaitoError, at: Moment) -> tuple[State, Action]:
    """Stream again what can be streamed later; list what this server does not stream."""
    if _expired(error):
        if state.list_version not in (ANY_VERSION, LATEST):
            return _fetch(state, LATEST, at, 0.0)
    elif not isinstance(error, ConnectionLostError | TooManyRequestsError):
        return _list_instead(state, at)
    pause, state = _pause(state, at, error)
    return _fetch(state, state.list_version, at, pause)


def _after_cut_stream(state: State, stream: StreamBroken, at: Moment) -> tuple[State, Action]:
    """Stream again, but not for ever: etcd before 3.5 and some proxies end every stream before its end."""
    broken = state.broken_streams + 1
    if broken == BROKEN_STREAMS or (stream.error is None and _at_once(stream)):
        return _list_instead(state, at)
    pause, state = _pause(replace(state, broken_streams=broken), at, stream.error)
    return _fetch(state, state.list_version, at, pause)


def _list_instead(state: State, at: Moment) -> tuple[State, Action]:
    return _fetch(replace(state, listing=True, broken_streams=0), state.list_version, at, 0.0)


def _after_watch(state: State, ended: WatchEnded, at: Moment) -> tuple[State, Action]:
    state = replace(state, last_version=ended.last_version, broken_streams=0)
    if isinstance(ended.error, TooManyRequestsError):
        return _watch_again(state, at, ended.error)
    if isinstance(ended.error, ApiError):
        state, patient = _bears(state, ended.error, at)
        return _watch_again(state, at, ended.error) if patient else _fetch_again(state, at, ended.error)
    state = replace(state, internal_errors_since=None)
    if _at_once(ended) or ended.last_version in (ANY_VERSION, LATEST):
        return _fetch_again(state, at, ended.error)
    short = state.short_watches + 1 if ended.seconds < SHORT_WATCH_SECONDS else 0
    state = replace(state, short_watches=short)
    return _watch_again(state, at, ended.error) if short > SHORT_WATCHES else (state, _watch(state, at, 0.0))


def _at_once(ended: StreamBroken | WatchEnded) -> bool:
    return ended.events == 0 and ended.seconds < SHORT_WATCH_SECONDS


def _bears(state: State, error: ApiError, at: Moment) -> tuple[State, bool]:
    """Say whether an ERROR event is an internal error within the time in which those are borne."""
    if error.code != 500 and error.reason != "InternalError":
        return replace(state, internal_errors_since=None), False
    since = at.now if state.internal_errors_since is None else state.internal_errors_since
    if at.now - since < state.settings.internal_error_seconds:
        return replace(state, internal_errors_since=since), True
    return replace(state, internal_errors_since=None), False


def _watch(state: State, at: Moment, delay: float, *, commit: bool = False) -> Action:
    return OpenWatch(delay, state.last_version, _watch_seconds(state, at), commit)


def _watch_seconds(state: State, at: Moment) -> int:
    return state.settings.draw_watch_seconds(at.jitter())


def _watch_again(state: State, at: Moment, error: KaitoError | None) -> tuple[State, Action]:
    pause, state = _pause(state, at, error)
    return state, _watch(state, at, pause)


def _fetch_again(state: State, at: Moment, error: KaitoError | None) -> tuple[State, Action]:
    pause, state = _pause(state, at, error)
    return _fetch(state, state.last_version, at, pause)


def _pause(state: State, at: Moment, error: KaitoError | None) -> tuple[float, State]:
    """Return the pause: the back-off's, or longer if the server asks for more."""
    pause, backoff = state.backoff.next(at.now, at.jitter)
    asked = error.retry_after if error is not None else None
    return max(pause, asked or 0.0), replace(state, backoff=backoff)


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
