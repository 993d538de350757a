"""The order of work against a naive model of the rules, over random scripts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.core.queue import PriorityOrder

KEYS = "abcde"
PRIORITIES = (-100, 0, 5)


class Model:
    """The rules, word by word, without any care for speed."""

    def __init__(self, ageing):
        self.ageing, self.pops, self.arrivals = ageing, 0, 0
        self.ready, self.delayed, self.working = {}, {}, set()

    def arrive(self, key, priority):
        self.arrivals += 1
        self.ready[key] = (priority, self.arrivals)

    def add(self, key, priority, now, at):
        if key in self.ready:
            if priority > self.ready[key][0]:
                self.arrive(key, priority)
            return False
        self.arrivals += 1
        (moment, turn), known = self.delayed.pop(key, ((at, self.arrivals), priority))
        due, priority = min((moment, turn), (at, self.arrivals)), max(priority, known)
        if due[0] <= now:
            self.arrive(key, priority)
            return True
        self.delayed[key] = (due, priority)
        return False

    def ripen(self, now):
        ripe = sorted((due, key) for key, (due, _) in self.delayed.items() if due[0] <= now)
        for _, key in ripe:
            self.arrive(key, self.delayed.pop(key)[1])
        return len(ripe)

    def pop(self):
        free = {key: place for key, place in self.ready.items() if key not in self.working}
        if not free:
            return None
        self.pops += 1
        if self.ageing and self.pops % self.ageing == 0:
            key = min(free, key=lambda key: free[key][1])
        else:
            key = min(free, key=lambda key: (-free[key][0], free[key][1]))
        priority, _ = self.ready.pop(key)
        self.working.add(key)
        return key, priority

    def done(self, key):
        self.working.discard(key)
        return key in self.ready


def random_script(dice):
    """One to forty steps."""
    script = []
    for _ in range(dice.randint(1, 40)):
        match dice.randrange(6):
            case 0 | 1:
                script.append(("add", dice.choice(KEYS), dice.choice(PRIORITIES), 0.0))
            case 2:
                script.append(("add", dice.choice(KEYS), dice.choice(PRIORITIES), dice.randint(1, 9) / 2))
            case 3:
                script.append(("pop",))
            case 4:
                script.append(("done", dice.choice(KEYS)))
            case 5:
                script.append(("pass", float(dice.randint(1, 3))))
    return script


def play(script, ageing):
    """Do the script with both; they must answer alike and look alike after each step."""
    order, model, now = PriorityOrder(ageing), Model(ageing), 0.0
    for name, *arguments in script:
        if name == "add":
            key, priority, after = arguments
            ready_at = now + after if after else None
            assert order.add(key, priority, now, ready_at) == model.add(key, priority, now, now + after)
        elif name == "pass":
            now += arguments[0]
            assert order.ripen(now) == model.ripen(now)
        elif name == "pop":
            item = order.pop()
            assert (item and (item.key, item.priority)) == model.pop()
        elif arguments[0] in model.working:
            assert order.done(arguments[0]) == model.done(arguments[0])
        assert len(order) == len(model.ready)
        assert order.working == len(model.working)
        assert order.next_ready_at() == min((at for (at, _), _ in model.delayed.values()), default=None)
        for priority in PRIORITIES:
            assert order.depth(priority) == sum(known == priority for known, _ in model.ready.values())


def play_many(seed, count):
    dice = random.Random(seed)
    for number in range(count):
        script = random_script(dice)
        try:
            play(script, dice.choice((None, 2, 3)))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, script {number}: {script}") from error


_steps = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(KEYS), st.sampled_from(PRIORITIES), st.sampled_from((0, 1, 2.5))),
    st.tuples(st.just("pop")),
    st.tuples(st.just("done"), st.sampled_from(KEYS)),
    st.tuples(st.just("pass"), st.floats(0.1, 3)),
)


@given(st.lists(_steps, max_size=60), st.sampled_from((None, 2, 3)))
def test_any_script_gives_what_the_rules_say(script, ageing):
    play(script, ageing)


def test_ten_thousand_random_scripts_give_what_the_rules_say():
    play_many(seed=20260101, count=10_000)


@pytest.mark.soak
def test_two_hundred_thousand_random_scripts_give_what_the_rules_say():
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    play_many(seed, count=200_000)
