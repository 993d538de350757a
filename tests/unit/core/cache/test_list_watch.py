"""The reflector's decisions, row by row of client-go's rules. No server and no time needed."""

import pytest

from kaito.core import ApiError, ConnectionLostError, ExpiredError, NotFoundError, Status, TooManyRequestsError
from kaito.core.cache.list_watch import (
    Begin,
    FetchPage,
    ListFailed,
    Moment,
    OpenWatch,
    PageListed,
    State,
    WatchEnded,
    WatchRefused,
    step,
)

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

    def __init__(self, jitter=0.0):
        self.state, self.now, self.jitter = State(), 0.0, jitter

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
