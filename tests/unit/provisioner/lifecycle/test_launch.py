"""Launched: what the cloud's answers do to a Machine."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from kaito.core.errors import KaitoError
from kaito.provisioner.clouds import (
    CloudUnavailableError,
    Instance,
    InsufficientCapacityError,
    InvalidConfigurationError,
    QuotaExceededError,
    SkuNotAvailableError,
)
from kaito.provisioner.lifecycle import Progress, Refusal, launch, retry_seconds
from kaito.provisioner.limits import Limits

PHRASE = "all requested instance types were unavailable during launch"


def refused(at: Progress, error: KaitoError, seconds: float | None) -> Progress:
    retry_at = None if seconds is None else at.now + timedelta(seconds=seconds)
    return launch(replace(at, launch=Refusal(error, retry_at)))


def test_an_instance_fills_provider_id_capacity_and_labels_and_the_claims_own_labels_win(
    progress: Callable[..., Progress], instance: Instance
) -> None:
    at = launch(replace(progress(), launch=instance))
    launched = at.machine.condition("MachineLaunched")
    assert launched is not None
    assert (launched.status, launched.reason) == ("True", "Launched")
    assert at.machine.status.provider_id == "local:///ws1"
    assert at.machine.status.capacity == {"nvidia.com/gpu": "1"}
    assert at.machine.metadata.labels["topology.kubernetes.io/zone"] == "local-1"
    assert at.machine.metadata.labels["apps"] == "phi-3"
    assert [notice.reason for notice in at.notices] == ["Launched"]


@pytest.mark.parametrize(
    ("error", "seconds", "status", "reason", "in_message"),
    [
        (QuotaExceededError("The quota is 0", remedy="Raise it."), 60, "False", "QuotaExceeded", "every 60 s"),
        (SkuNotAvailableError("Not sold"), None, "False", "SKUNotAvailable", PHRASE),
        (InvalidConfigurationError("Wrong"), None, "False", "InvalidConfiguration", PHRASE),
        (
            InsufficientCapacityError("None free."),
            5,
            "Unknown",
            "InsufficientCapacity",
            "Next retry at 2026-01-02T03:00:05Z",
        ),
        (CloudUnavailableError("No answer."), 5, "Unknown", "CloudUnavailable", "Next retry at"),
    ],
    ids=lambda value: value.reason if isinstance(value, KaitoError) else None,
)
def test_a_refusal_becomes_status_reason_and_when_it_is_tried_again(
    progress: Callable[..., Progress],
    error: KaitoError,
    seconds: float | None,
    status: str,
    reason: str,
    in_message: str,
) -> None:
    at = refused(progress(), error, seconds)
    launched = at.machine.condition("MachineLaunched")
    assert launched is not None
    assert (launched.status, launched.reason) == (status, reason)
    assert in_message in (launched.message or "")
    assert (launched.message or "").endswith(error.remedy)
    assert (PHRASE in (launched.message or "")) == error.terminal
    assert at.requeue_after == seconds
    assert [notice.reason for notice in at.notices] == [reason]


def test_finding_the_same_quota_again_changes_nothing_and_says_nothing(progress: Callable[..., Progress]) -> None:
    once = refused(progress(), QuotaExceededError("The quota is 0"), 60)
    again = refused(
        replace(once, now=once.now + timedelta(seconds=60), notices=()), QuotaExceededError("The quota is 0"), 60
    )
    assert again.machine == once.machine
    assert again.notices == ()


@pytest.mark.parametrize(
    ("error", "age", "reason"),
    [
        (CloudUnavailableError("No answer."), 899, "CloudUnavailable"),
        (CloudUnavailableError("No answer."), 900, "LaunchTimeout"),
        (InsufficientCapacityError("None free."), 5000, "InsufficientCapacity"),
    ],
)
def test_an_unexplained_launch_times_out_and_one_short_of_capacity_goes_on_waiting(
    progress: Callable[..., Progress], error: KaitoError, age: float, reason: str
) -> None:
    at = refused(progress(age=age), error, 5)
    launched = at.machine.condition("MachineLaunched")
    assert launched is not None
    assert launched.reason == reason
    assert (launched.status == "False") == (reason == "LaunchTimeout")


@pytest.mark.parametrize(
    ("error", "attempts", "seconds"),
    [
        (InsufficientCapacityError("m"), 1, 5),
        (InsufficientCapacityError("m"), 3, 20),
        (InsufficientCapacityError("m"), 100, 300),
        (InsufficientCapacityError("m", retry_after=7), 9, 7),
        (QuotaExceededError("m"), 9, 60),
        (SkuNotAvailableError("m"), 1, None),
    ],
)
def test_retries_back_off_unless_only_a_change_helps(error: KaitoError, attempts: int, seconds: float | None) -> None:
    assert retry_seconds(error, attempts, Limits()) == seconds
