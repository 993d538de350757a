"""The order of work, against controller-runtime's rules and against a naive model."""

from hypothesis import given
from hypothesis import strategies as st

from kaito.core.queue import PriorityOrder

NEVER = 10**9


def order(ageing=NEVER):
    return PriorityOrder(ageing)


def drain(queue):
    found = []
    while item := queue.pop():
        found.append(item.key)
        queue.done(item.key)
    return found


def test_higher_priority_first_and_first_come_first_served_among_equals():
    queue = order()
    for key, priority in (("a", 0), ("b", -100), ("c", 5), ("d", 0)):
        queue.add(key, priority, 0)
    assert drain(queue) == ["c", "a", "d", "b"]


def test_a_key_is_in_it_once():
    queue = order()
    assert queue.add("a", 0, 0).gained == 0
    assert queue.add("a", 0, 0).gained is None
    assert len(queue) == 1
    assert drain(queue) == ["a"]


def test_a_key_in_work_is_kept_back_and_comes_as_soon_as_it_is_done():
    queue = order()
    queue.add("a", 0, 0)
    queue.pop()
    queue.add("a", 100, 0)
    queue.add("a", 100, 0)
    assert len(queue) == 1
    assert queue.pop() is None
    assert queue.done("a")
    assert queue.pop().key == "a"
    assert not queue.done("a")


def test_priority_is_raised_never_lowered_and_a_raised_key_goes_behind_its_new_equals():
    queue = order()
    queue.add("low", -100, 0)
    queue.add("first", 0, 0)
    queue.add("low", 0, 0)
    queue.add("first", -100, 0)
    queue.add("last", 0, 0)
    assert drain(queue) == ["first", "low", "last"]


def test_a_raise_moves_the_depth_from_one_priority_to_the_other():
    queue = order()
    queue.add("a", -100, 0)
    change = queue.add("a", 0, 0)
    assert (change.gained, change.lost) == (0, -100)


def test_a_delayed_key_is_not_counted_and_not_handed_out_before_its_time():
    queue = order()
    queue.add("a", 0, 0, ready_at=5)
    assert (len(queue), queue.pop(), queue.next_ready_at()) == (0, None, 5)
    assert queue.ripen(4.9) == []
    assert [change.gained for change in queue.ripen(5)] == [0]
    assert queue.pop().ready_since == 5
    assert queue.next_ready_at() is None


def test_the_earlier_time_wins_and_ready_wins_over_any_delay():
    queue = order()
    queue.add("a", 0, 0, ready_at=5)
    queue.add("a", 0, 0, ready_at=9)
    assert queue.next_ready_at() == 5
    queue.add("a", 0, 0, ready_at=3)
    assert queue.next_ready_at() == 3
    queue.add("a", 0, 1)
    assert queue.next_ready_at() is None
    queue.add("a", 0, 1, ready_at=7)
    assert drain(queue) == ["a"]


def test_delays_come_up_in_the_order_of_their_times():
    queue = order()
    for key, at in (("c", 3), ("a", 1), ("b", 2)):
        queue.add(key, 0, 0, ready_at=at)
    queue.ripen(10)
    assert drain(queue) == ["a", "b", "c"]


def test_a_low_key_is_served_under_a_constant_load_of_high_ones():
    queue = order(ageing=8)
    queue.add("low", -100, 0)
    served = []
    for number in range(10):
        queue.add(f"high{number}", 0, 0)
        served.append(queue.pop().key)
    assert "low" in served


def test_what_was_handed_out_by_age_leaves_nothing_behind():
    queue = order(ageing=2)
    for number in range(10_000):
        queue.add(("low", number), -100, 0)
        queue.add(("high", number), 0, 0)
        for _ in range(2):
            queue.done(queue.pop().key)
    assert len(queue) == 0
    assert len(queue._ready) + len(queue._oldest) < 1_000


_keys = st.sampled_from("abcd")
_operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), _keys, st.sampled_from([-100, 0, 5])),
        st.tuples(st.just("later"), _keys, st.integers(1, 4)),
        st.tuples(st.just("pop")),
        st.tuples(st.just("done"), _keys),
        st.tuples(st.just("pass"), st.integers(1, 3)),
    ),
    max_size=60,
)


@given(_operations, st.sampled_from([2, NEVER]))
def test_no_script_loses_repeats_or_shares_a_key(operations, ageing):
    """The model knows what must be handed out some time; the order of it is tested above."""
    queue, now = PriorityOrder(ageing), 0.0
    waiting, ready, working = {}, set(), set()
    for name, *arguments in operations:
        if name == "add":
            queue.add(arguments[0], arguments[1], now)
            waiting.pop(arguments[0], None)
            ready.add(arguments[0])
        elif name == "later" and arguments[0] not in ready:
            at = now + arguments[1]
            queue.add(arguments[0], 0, now, ready_at=at)
            waiting[arguments[0]] = min(at, waiting.get(arguments[0], at))
        elif name == "pass":
            now += arguments[0]
            queue.ripen(now)
            for key in [key for key, at in waiting.items() if at <= now]:
                del waiting[key]
                ready.add(key)
        elif name == "done" and arguments[0] in working:
            working.discard(arguments[0])
            assert queue.done(arguments[0]) == (arguments[0] in ready)
        elif name == "pop":
            item = queue.pop()
            assert (item is None) == (not ready - working)
            if item is not None:
                assert item.key in ready - working
                ready.discard(item.key)
                working.add(item.key)
        assert len(queue) == len(ready)
        assert queue.next_ready_at() == (min(waiting.values()) if waiting else None)
