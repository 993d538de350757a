"""The reflector's decisions, row by row of client-go's rules. No server and no time needed."""

import pytest

from kaito.core import (
    ApiError,
    ConnectionLostError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    Status,
    TooManyRequestsError,
)
from kaito.core.cache import Backoff, ReflectorSettings
from kaito.core.cache.exchange import (
    Begin,
    FetchPage,
    ListFailed,
    OpenWatch,
    PageListed,
    StreamBroken,
    StreamList,
    StreamRefused,
    WatchEnded,
    WatchRefused,
)
from kaito.core.cache.list_watch import Moment, State, step

EXPIRED = ExpiredError(Status(410, "Expired", "too old"))
BUSY = TooManyRequestsError(Status(429, "TooManyRequests", "busy"))
BROKEN = ApiError(Status(500, "InternalError", "etcdserver: no leader"))
LOST = ConnectionLostError("refused")
MISSING = NotFoundError(Status(404, "NotFound", "no such resource"))
TOO_LARGE = ApiError(Status(504, "Timeout", "Too large resource version: 9, current: 3"))
TOO_LARGE_BY_CAUSE = ApiError(
    Status(504, "Timeout", "", {"causes": [{"reason": "ResourceVersionTooLarge", "message": "x"}]})
)


class Script:
    """Feeds messages in, at a time that the test moves."""

    def __init__(self, *, streaming=False, **settings):
        self.state = State.new(ReflectorSettings(streaming=streaming, **settings))
        self.now = self.jitter = 0.0

    def __call__(self, message, passes=0.0):
        self.now += passes
        self.state, action = step(self.state, message, Moment(self.now, lambda: self.jitter))
        return action


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def watching(script):
    script(Begin())
    script(PageListed("100"))
    return script


def test_the_first_list_may_come_from_the_servers_cache_and_the_watch_begins_at_its_version(script):
    assert script(Begin()) == FetchPage(0, "0", 500)
    assert script(PageListed("100")) == OpenWatch(0, "100", 300, commit=True)


def test_pages_after_the_first_carry_the_token_alone(script):
    script(Begin())
    assert script(PageListed("100", "next")) == FetchPage(0, "", 500, "next")
    assert script(PageListed("100", "more")) == FetchPage(0, "", 500, "more")
    assert script(PageListed("100")).commit


def test_a_list_after_the_first_is_not_older_than_what_was_seen_and_not_paged(watching):
    action = watching(WatchEnded("120", 3, 50, BROKEN))
    assert (action.resource_version, action.limit) == ("120", 0)


def test_a_server_that_pages_version_0_is_asked_for_pages_ever_after(script):
    script(Begin())
    script(PageListed("100", "next"))
    script(PageListed("100"))
    assert script(WatchEnded("120", 3, 50, BROKEN)).limit == 500


@pytest.mark.parametrize("error", [EXPIRED, TOO_LARGE, TOO_LARGE_BY_CAUSE], ids=["expired", "too large", "cause"])
def test_a_version_that_the_server_does_not_have_leads_to_a_consistent_list_at_once(watching, error):
    watching(WatchEnded("120", 3, 50, EXPIRED))
    assert watching(ListFailed(error)) == FetchPage(0, "", 500)


def test_a_consistent_list_that_fails_waits_like_any_other(watching):
    watching(WatchEnded("120", 3, 50, EXPIRED))
    watching(ListFailed(EXPIRED))
    assert watching(ListFailed(EXPIRED)).delay > 0


def test_a_page_that_expired_leads_to_one_full_list(script):
    script(Begin())
    script(PageListed("100", "next"))
    assert script(ListFailed(EXPIRED)) == FetchPage(0, "0", 0)


@pytest.mark.parametrize(
    ("ended", "relists", "waits"),
    [
        pytest.param(WatchEnded("120", 1, 0.1), False, False, id="closed after an event"),
        pytest.param(WatchEnded("120", 0, 1.5), False, False, id="closed after a second"),
        pytest.param(WatchEnded("100", 0, 0.5), True, True, id="closed at once: very short watch"),
        pytest.param(WatchEnded("120", 2, 9, LOST), False, False, id="connection broke"),
        pytest.param(WatchEnded("100", 0, 80, LOST), False, False, id="silent for too long"),
        pytest.param(WatchEnded("100", 0, 0.1, LOST), True, True, id="connection broke at once"),
        pytest.param(WatchEnded("120", 2, 9, EXPIRED), True, True, id="ERROR 410"),
        pytest.param(WatchEnded("120", 2, 9, BUSY), False, True, id="ERROR 429"),
        pytest.param(WatchEnded("120", 2, 9, BROKEN), True, True, id="ERROR 500"),
        pytest.param(WatchRefused(LOST), False, True, id="refused: no connection"),
        pytest.param(WatchRefused(BUSY), False, True, id="refused: 429"),
        pytest.param(WatchRefused(EXPIRED), True, True, id="refused: 410"),
        pytest.param(WatchRefused(BROKEN), True, True, id="refused: 500"),
    ],
)
def test_what_follows_the_end_of_a_watch(watching, ended, relists, waits):
    action = watching(ended)
    assert isinstance(action, FetchPage if relists else OpenWatch)
    assert (action.delay > 0) is waits
    assert action.resource_version == getattr(ended, "last_version", "100")
    assert not getattr(action, "commit", False)


def test_pauses_double_to_thirty_seconds_and_start_over_after_two_quiet_minutes(watching):
    delays = [watching(WatchRefused(LOST), passes=1).delay for _ in range(8)]
    assert delays == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30])
    assert watching(WatchRefused(LOST), passes=119).delay == 30
    assert watching(WatchRefused(LOST), passes=121).delay == pytest.approx(0.8)


def test_pauses_spread_up_to_their_double(watching):
    watching.jitter = 0.999
    assert 1.5 < watching(WatchRefused(LOST)).delay < 1.6


def test_a_server_that_asks_for_more_patience_gets_it(watching):
    slow = TooManyRequestsError(Status(429, "TooManyRequests", ""), retry_after=7)
    assert watching(WatchRefused(slow)).delay == 7


def test_a_missing_kind_is_looked_for_every_few_seconds(script):
    script(Begin())
    delays = [script(ListFailed(MISSING), passes=1).delay for _ in range(6)]
    assert delays == pytest.approx([0.8, 1.6, 3.2, 5, 5, 5])


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 300), (0.5, 450), (0.999, 599)])
def test_each_watch_asks_for_five_to_ten_minutes(script, jitter, seconds):
    script.jitter = jitter
    script(Begin())
    assert script(PageListed("1")).timeout_seconds == seconds


def test_410_for_ever_is_slow(watching):
    for _ in range(20):
        action = watching(WatchEnded("100", 0, 0.01, EXPIRED))
        watching.now += action.delay
        watching(PageListed("100"))
    assert watching.now > 300


def test_a_failed_list_keeps_its_version(script):
    script(Begin())
    assert script(ListFailed(BROKEN)) == FetchPage(0.8, "0", 500)


def test_a_failed_consistent_list_is_tried_again_as_one(watching):
    watching(WatchEnded("120", 3, 50, EXPIRED))
    watching(ListFailed(EXPIRED))
    assert watching(ListFailed(BROKEN)).resource_version == ""


def test_the_page_size_is_configured():
    script = Script(page_size=7)
    assert script(Begin()).limit == 7
    assert script(PageListed("100", "next")).limit == 7


@pytest.mark.parametrize(
    ("minimum", "shortest", "longest"),
    [(300, 300, 599), (1800, 1800, 3598), (60, 300, 599)],
    ids=["five minutes", "half an hour", "less than five minutes is ignored"],
)
def test_a_watch_asks_for_a_random_length_from_the_minimum_to_its_double(minimum, shortest, longest):
    script = Script(watch_seconds=minimum)
    script(Begin())
    assert script(PageListed("1")).timeout_seconds == shortest
    script.jitter = 0.9995
    assert script(WatchEnded("1", 1, 600)).timeout_seconds == pytest.approx(longest, abs=1)


def test_a_custom_back_off_is_followed():
    script = Script(backoff=Backoff(first=1, factor=3, cap=10, jitter=0, reset_after=60))
    script(Begin())
    script(PageListed("100"))
    assert [script(WatchRefused(LOST), passes=1).delay for _ in range(4)] == [1, 3, 9, 10]
    assert script(WatchRefused(LOST), passes=61).delay == 1


def test_429_of_a_watch_waits_once_for_each(watching):
    assert [isinstance(watching(WatchRefused(BUSY)), OpenWatch) for _ in range(5)] == [True] * 5
    assert watching.state.backoff.current == pytest.approx(0.8 * 2**4)


def test_internal_errors_of_a_watch_are_borne_only_as_long_as_configured():
    script = Script(internal_error_seconds=30)
    script(Begin())
    script(PageListed("100"))
    assert isinstance(script(WatchEnded("101", 1, 5, BROKEN)), OpenWatch)
    assert isinstance(script(WatchEnded("102", 1, 5, BROKEN), passes=29), OpenWatch)
    assert isinstance(script(WatchEnded("103", 1, 5, BROKEN), passes=2), FetchPage)


def test_a_watch_without_an_error_ends_the_series_of_internal_errors():
    script = Script(internal_error_seconds=30)
    script(Begin())
    script(PageListed("100"))
    script(WatchEnded("101", 1, 5, BROKEN))
    script(WatchEnded("102", 1, 300), passes=300)
    assert isinstance(script(WatchEnded("103", 1, 5, BROKEN), passes=1), OpenWatch)


def test_watches_that_bring_something_and_end_at_once_wait_from_the_fourth_on(watching):
    delays = [watching(WatchEnded(str(110 + n), 1, 0.1)).delay for n in range(5)]
    assert delays == pytest.approx([0, 0, 0, 0.8, 1.6])
    assert watching(WatchEnded("120", 1, 300)).delay == 0


def test_a_list_without_a_version_is_made_again_when_its_watch_ends(script):
    script(Begin())
    script(PageListed(""))
    assert isinstance(script(WatchEnded("", 4, 300)), FetchPage)


def test_pages_that_expire_for_ever_are_not_asked_for_without_a_pause(script):
    script(Begin())
    delays = []
    for _ in range(10):
        delays.append(script(PageListed("100", "next")).delay)
        delays.append(script(ListFailed(EXPIRED)).delay)
    assert sum(delay > 0 for delay in delays) >= 3


def broken_by(error):
    return StreamBroken(2, 0.1, error)


class TestStreaming:
    """The objects come over the watch."""

    @pytest.fixture
    def script(self):
        return Script(streaming=True)

    @pytest.fixture
    def watching(self, script):
        script(Begin())
        return script

    def test_the_first_asks_for_the_latest_state(self, script):
        assert script(Begin()) == StreamList(0, "", 300)

    def test_one_after_an_error_is_not_older_than_what_was_seen(self, watching):
        assert watching(WatchEnded("120", 3, 50, BROKEN)) == StreamList(0.8, "120", 300)

    def test_a_stream_that_was_complete_goes_on_as_a_watch_from_its_last_version(self, watching):
        assert watching(WatchEnded("120", 3, 50)) == OpenWatch(0, "120", 300)

    @pytest.mark.parametrize(
        "error",
        [
            InvalidError(Status(400, "BadRequest", "")),
            InvalidError(Status(422, "Invalid", "sendInitialEvents is forbidden")),
            ForbiddenError(Status(403, "Forbidden", "")),
            MISSING,
            ApiError(Status(405, "MethodNotAllowed", "")),
            BROKEN,
        ],
        ids=["400", "422", "403", "404", "405", "500"],
    )
    @pytest.mark.parametrize(
        "when", [StreamRefused, lambda error: StreamBroken(0, 0.1, error)], ids=["refused", "ERROR"]
    )
    def test_what_is_not_streamed_is_listed_at_once(self, script, error, when):
        script(Begin())
        assert script(when(error)) == FetchPage(0, "0", 500)

    def test_a_list_that_stood_in_fails_as_a_list_and_the_next_time_is_streamed_again(self, script):
        script(Begin())
        script(StreamRefused(MISSING))
        assert script(ListFailed(MISSING)) == FetchPage(0.8, "0", 500)
        assert script(PageListed("100")).commit
        assert isinstance(script(WatchEnded("120", 3, 50, BROKEN)), StreamList)

    @pytest.mark.parametrize("error", [LOST, BUSY], ids=["no connection", "429"])
    def test_a_server_that_is_away_or_busy_is_streamed_from_later(self, script, error):
        script(Begin())
        actions = [script(StreamRefused(error), passes=1) for _ in range(5)]
        assert all(isinstance(action, StreamList) for action in actions)
        assert [action.delay for action in actions] == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8])

    @pytest.mark.parametrize("error", [EXPIRED, TOO_LARGE, TOO_LARGE_BY_CAUSE], ids=["expired", "too large", "cause"])
    @pytest.mark.parametrize(
        "when", [StreamRefused, lambda error: StreamBroken(2, 0.1, error)], ids=["refused", "ERROR"]
    )
    def test_a_version_that_the_server_does_not_have_is_forgotten_at_once(self, watching, error, when):
        watching(WatchEnded("120", 3, 50, EXPIRED))
        assert watching(when(error)) == StreamList(0, "", 300)

    def test_a_server_to_which_the_latest_version_has_expired_is_given_time(self, script):
        script(Begin())
        assert [script(StreamRefused(EXPIRED)).delay for _ in range(3)] == pytest.approx([0.8, 1.6, 3.2])

    def test_a_stream_that_ends_at_once_with_nothing_is_no_stream(self, script):
        script(Begin())
        assert script(StreamBroken(0, 0.001)) == FetchPage(0, "0", 500)

    @pytest.mark.parametrize("error", [None, LOST], ids=["in order", "broken connection"])
    def test_a_stream_that_breaks_off_is_begun_anew_twice_and_then_listed(self, script, error):
        script(Begin())
        actions = [script(StreamBroken(5, 2, error)) for _ in range(3)]
        assert actions[:2] == [StreamList(pytest.approx(0.8), "", 300), StreamList(pytest.approx(1.6), "", 300)]
        assert actions[2] == FetchPage(0, "0", 500)
