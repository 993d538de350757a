import pytest
from hypothesis import given
from hypothesis import strategies as some

from kaito.runtime.front.admission import Crowd, EngineLoad, Limits, admission

IDLE = EngineLoad()


@pytest.mark.parametrize(
    ("limits", "engine", "crowd", "reason"),
    [
        (Limits(), IDLE, Crowd(pending=9999, mine=9999, models=1), ""),
        (Limits(slots=4), IDLE, Crowd(pending=8, mine=8, models=1), ""),
        (Limits(slots=4), IDLE, Crowd(pending=9, mine=9, models=1), "rate_limit"),
        (Limits(slots=4), EngineLoad(waiting=4), Crowd(pending=1, mine=1, models=1), ""),
        (Limits(slots=4), EngineLoad(waiting=5), Crowd(pending=1, mine=1, models=1), "rate_limit"),
        (Limits(requests=3), IDLE, Crowd(pending=2, mine=2, models=1), ""),
        (Limits(requests=3), IDLE, Crowd(pending=3, mine=3, models=1), "max_num_queued_reqs"),
        (Limits(requests=3), EngineLoad(unfinished=3), Crowd(pending=0, mine=0, models=1), "max_num_queued_reqs"),
        (Limits(tokens=100), EngineLoad(queued_tokens=99), Crowd(pending=1, mine=1, models=1), ""),
        (
            Limits(tokens=100),
            EngineLoad(queued_tokens=100),
            Crowd(pending=1, mine=1, models=1),
            "max_num_queued_tokens",
        ),
        # another model asks as well
        (Limits(slots=4), IDLE, Crowd(pending=6, mine=5, models=2), ""),
        (Limits(slots=4), IDLE, Crowd(pending=7, mine=6, models=2), "rate_limit"),
        (Limits(slots=4), IDLE, Crowd(pending=9, mine=0, models=2), ""),
        (Limits(slots=4), IDLE, Crowd(pending=11, mine=3, models=2), ""),
        (Limits(slots=4), IDLE, Crowd(pending=12, mine=4, models=2), "rate_limit"),
        (Limits(slots=4), EngineLoad(waiting=9), Crowd(pending=9, mine=0, models=2), ""),
        (Limits(slots=4), IDLE, Crowd(pending=30, mine=0, models=20), ""),
        (Limits(slots=4), IDLE, Crowd(pending=30, mine=1, models=20), "rate_limit"),
    ],
)
def test_who_is_let_in(limits: Limits, engine: EngineLoad, crowd: Crowd, reason: str) -> None:
    why = admission(limits, engine, crowd)
    assert (why.reason if why else "") == reason
    assert why is None or why.headers["Retry-After"] == "1"


def test_a_flood_of_one_model_leaves_the_others_their_share() -> None:
    """One model asks without end; another asks now and then, and is never refused."""
    limits = Limits(slots=8)
    here = {"flood": 0, "quiet": 0}

    def ask(model: str) -> bool:
        others = sum(1 for name, count in here.items() if count or name == model)
        crowd = Crowd(pending=sum(here.values()), mine=here[model], models=others)
        if admission(limits, IDLE, crowd) is not None:
            return False
        here[model] += 1
        return True

    while ask("flood"):
        pass
    assert here["flood"] == 17
    assert all(ask("quiet") for _ in range(8))
    assert not ask("flood")
    here["flood"] -= 6
    assert not ask("flood")  # 11 are more than its share while 8 wait
    here["flood"] -= 7
    assert ask("flood")


counts = some.integers(min_value=0, max_value=10_000)


@given(
    slots=some.integers(min_value=1, max_value=512),
    waiting=counts,
    pending=counts,
    mine=counts,
    models=some.integers(2, 50),
)
def test_who_has_less_than_its_share_is_let_in_however_many_wait(
    slots: int, waiting: int, pending: int, mine: int, models: int
) -> None:
    why = admission(Limits(slots=slots), EngineLoad(waiting=waiting), Crowd(pending, mine, models))
    if mine < 2 * slots // models:
        assert why is None
    if why is not None:
        assert why.status == 429
        assert max(waiting, pending - slots) > slots // 2
