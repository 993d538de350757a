"""The order of work, by controller-runtime's rules."""

import gc
import weakref

from kaito.core.queue import PriorityOrder


def order(ageing=None):
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
    assert queue.add("a", 0, 0)
    assert not queue.add("a", 0, 0)
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
    assert (queue.depth(-100), queue.depth(0)) == (1, 0)
    assert not queue.add("a", 0, 0)
    assert (queue.depth(-100), queue.depth(0)) == (0, 1)


def test_a_delayed_key_is_not_counted_and_not_handed_out_before_its_time():
    queue = order()
    queue.add("a", 0, 0, ready_at=5)
    assert (len(queue), queue.pop(), queue.next_ready_at()) == (0, None, 5)
    assert queue.ripen(4.9) == 0
    assert queue.ripen(5) == 1
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


def test_a_key_that_is_worked_on_does_not_hold_up_what_is_lower():
    queue = order()
    queue.add("high", 5, 0)
    queue.pop()
    queue.add("high", 5, 0)
    queue.add("low", -100, 0)
    assert queue.pop().key == "low"
    queue.done("high")
    assert queue.pop().key == "high"


def test_a_delayed_key_takes_the_higher_priority_and_keeps_its_time():
    queue = order()
    queue.add("a", -100, 0, ready_at=5)
    queue.add("a", 7, 0, ready_at=9)
    assert queue.next_ready_at() == 5
    queue.ripen(5)
    assert queue.pop().priority == 7


def test_of_two_keys_with_different_delays_the_second_to_come_may_be_the_first_to_go():
    queue = order()
    queue.add("first", 0, 0, ready_at=1)
    queue.add("second", 0, 0, ready_at=0.05)
    assert queue.ripen(0.06) == 1
    assert drain(queue) == ["second"]
    assert queue.next_ready_at() == 1


class Name:
    """A key that a test can see die."""


def test_keys_that_were_handed_out_are_freed():
    queue = order(ageing=2)
    keys = [Name() for _ in range(50)]
    for number, key in enumerate(keys):
        queue.add(key, number % 3, 0)
        queue.add(key, 3, 0)
    shadows = [weakref.ref(key) for key in keys]
    drain(queue)
    del key, keys
    gc.collect()
    assert [shadow for shadow in shadows if shadow()] == []


def test_a_key_that_was_called_up_before_its_long_delay_ended_is_freed():
    queue = order()
    key = Name()
    shadow = weakref.ref(key)
    queue.add(key, 0, 0, ready_at=10_000)
    queue.add(key, 0, 0)
    drain(queue)
    del key
    gc.collect()
    assert shadow() is None
    assert queue.next_ready_at() is None
