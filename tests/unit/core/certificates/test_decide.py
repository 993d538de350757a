"""What is done about certificates, by what the Secret holds and the time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.core.certificates import Action, Generation, Material, Policy, decide, signing
from kaito.core.certificates.generation import generation_of

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Policy()
NAMES = frozenset({"hook.example.svc"})


def issue(names: frozenset[str], now: datetime, lifetime: timedelta) -> Generation:
    return generation_of(signing.issue([*names], now, lifetime))


FIRST, SECOND = issue(NAMES, START, 90 * DAY), issue(NAMES, START + 60 * DAY, 90 * DAY)
CURRENT = Material(FIRST, (FIRST.authority,))
STAGED = CURRENT.staged(SECOND, START + 60 * DAY + POLICY.overlap, START + 60 * DAY)


@pytest.mark.parametrize(
    ("material", "after", "action"),
    [
        (None, 0 * DAY, Action.MAKE),
        (CURRENT, 0 * DAY, Action.KEEP),
        (CURRENT, 59 * DAY, Action.KEEP),
        (CURRENT, 60 * DAY, Action.STAGE),
        (CURRENT, 89 * DAY, Action.STAGE),
        (CURRENT, 90 * DAY, Action.MAKE),
        (CURRENT, -1 * DAY, Action.MAKE),
        (STAGED, 60 * DAY + POLICY.overlap / 2, Action.KEEP),
        (STAGED, 60 * DAY + POLICY.overlap, Action.PROMOTE),
        (replace(STAGED, next_after=START + 99 * DAY), 91 * DAY, Action.PROMOTE),
        (STAGED, 151 * DAY, Action.MAKE),
        (STAGED.promoted(START + 61 * DAY), 61 * DAY, Action.KEEP),
    ],
)
def test_the_action_follows_from_material_and_time(material: Material | None, after: timedelta, action: Action) -> None:
    assert decide(material, START + after, NAMES, POLICY) is action


def test_one_that_outlives_what_is_asked_for_now_is_replaced_in_the_usual_way() -> None:
    shorter = Policy.lasting(timedelta(hours=1))
    assert decide(CURRENT, START + DAY, NAMES, shorter) is Action.STAGE
    assert decide(STAGED, START + 60 * DAY, NAMES, shorter) is Action.KEEP
    assert decide(CURRENT, START + DAY, NAMES, Policy.lasting(180 * DAY)) is Action.KEEP
    a_little_ahead = START - timedelta(minutes=4)
    assert decide(CURRENT, a_little_ahead, NAMES, POLICY) is Action.KEEP


def test_a_certificate_for_other_names_is_replaced() -> None:
    assert decide(CURRENT, START, NAMES | {"127.0.0.1"}, POLICY) is Action.MAKE


@given(st.lists(st.integers(min_value=1, max_value=20_000), min_size=1, max_size=60))
def test_whatever_is_served_was_trusted_for_the_overlap_before(pauses: list[int]) -> None:
    """Looks at any intervals: a new authority is known at least `overlap` before its certificate is served."""
    material, now = CURRENT, START
    known = {FIRST.authority: START - POLICY.overlap}
    for minutes in pauses:
        now += timedelta(minutes=minutes)
        expired = now >= material.current.not_after
        match decide(material, now, NAMES, POLICY):
            case Action.STAGE:
                material = material.staged(issue(NAMES, now, POLICY.lifetime), now + POLICY.overlap, now)
            case Action.PROMOTE:
                material = material.promoted(now)
            case Action.MAKE:
                assert expired, "made anew at once only when what was served had expired"
                return
        for authority in material.authorities:
            known.setdefault(authority, now)
        assert material.current.authority in material.authorities
        assert expired or now - known[material.current.authority] >= POLICY.overlap or material.current is FIRST


@pytest.mark.parametrize("life", [timedelta(seconds=30), timedelta(minutes=2), timedelta(hours=1), 90 * DAY, 365 * DAY])
def test_a_certificate_of_any_life_is_kept_at_first_and_replaced_before_it_ends(life: timedelta) -> None:
    policy = Policy.lasting(life)
    made = issue(NAMES, START, life)
    material = Material(made, (made.authority,))
    assert decide(material, START, NAMES, policy) is Action.KEEP
    assert decide(material, START + life / 2, NAMES, policy) is Action.KEEP
    slack = START + life - policy.renewal(material) - policy.overlap - 2 * policy.check
    assert slack > life / 10, "a look that is late by that much does no harm"
