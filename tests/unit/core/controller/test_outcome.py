"""The decision table after a reconcile."""

import pytest

from kaito.core import DONE, ConnectionLostError, KaitoError, Result
from kaito.core.controller import Outcome, outcome_of


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (DONE, Outcome("success", forget=True)),
        (Result(requeue_after=0), Outcome("success", forget=True)),
        (Result(requeue_after=3), Outcome("requeue_after", forget=True, after=3)),
        (Result(requeue_after=-1), Outcome("success", forget=True)),
        (Result(requeue_after=3, priority=7), Outcome("requeue_after", forget=True, after=3, priority=7)),
        (Result(requeue=True), Outcome("requeue", back_off=True)),
        (Result(requeue=True, priority=7), Outcome("requeue", back_off=True, priority=7)),
        (Result(requeue=True, requeue_after=3), Outcome("requeue_after", forget=True, after=3)),
        (Result(priority=7), Outcome("success", forget=True)),
        (None, Outcome("success", forget=True)),
        (RuntimeError("x"), Outcome("error", back_off=True)),
        (ConnectionLostError("x"), Outcome("error", back_off=True)),
        (KaitoError("R", "m"), Outcome("error", back_off=True)),
        (KaitoError("R", "m", retry_after=7), Outcome("error", after=7)),
        (KaitoError("R", "m", terminal=True), Outcome("error", terminal=True)),
        (KaitoError("R", "m", terminal=True, retry_after=7), Outcome("error", terminal=True)),
    ],
)
def test_what_follows_a_result(result, outcome):
    assert outcome_of(result) == outcome
