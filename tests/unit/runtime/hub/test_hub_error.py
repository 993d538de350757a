"""Each way in which the hub, the network or the disk says no has a reason, a remedy, and an answer to: try again?"""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from hub import SIGNATURE, FakeHub
from small_model import NAME

from kaito.runtime.failure import REASONS
from kaito.runtime.hub import HubError, HubModel
from kaito.runtime.hub.hub_error import hub_error

FIELD = "inference.preset.presetOptions.modelAccessSecret"


def refusal(model: HubModel, ask: Callable[[HubModel], object]) -> HubError:
    with pytest.raises(HubError) as caught:
        ask(model)
    assert caught.value.reason in REASONS
    return caught.value


@pytest.mark.parametrize("ask", [HubModel.size, HubModel.download], ids=["size", "download"])
@pytest.mark.parametrize(
    ("gated", "private", "token", "reason", "says"),
    [
        (True, False, "", "ModelAccessRequired", "no token was sent"),
        (True, False, "hf_other", "ModelAccessRequired", "has no access"),
        (False, False, "hf_nonsense", "HubTokenInvalid", "Invalid credentials"),
        (False, True, "", "ModelNotFound", "only to accounts that may read it"),
        (False, True, "hf_other", "ModelNotFound", "only to accounts that may read it"),
    ],
)
def test_a_refused_model_names_the_field_of_the_secret_and_no_token(
    ask: Callable[[HubModel], object],
    model: HubModel,
    hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    gated: bool,
    private: bool,
    token: str,
    reason: str,
    says: str,
) -> None:
    hub.repositories[NAME].gated, hub.repositories[NAME].private = gated, private
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    error = refusal(model, ask)
    assert (error.reason, error.passes) == (reason, False)
    assert says in str(error)
    assert FIELD in str(error)
    assert "hf_" not in str(error)


@pytest.mark.parametrize(
    ("repository", "revision", "reason"),
    [
        ("org/none", "main", "ModelNotFound"),
        (NAME, "f" * 40, "RevisionNotFound"),
        (NAME, "dev", "RevisionNotFound"),
        ("no name/x", "main", "InvalidFlag"),
    ],
)
def test_what_is_not_there_is_named(hub: FakeHub, tmp_path: Path, repository: str, revision: str, reason: str) -> None:
    error = refusal(HubModel(repository, revision, tmp_path), HubModel.download)
    assert (error.reason, error.passes) == (reason, False)
    assert repository in error.message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((501, {}), "HubUnavailable"),
        ((200, {"Content-Type": "text/html"}), "HubUnreachable"),
        ((403, {}), "ModelAccessRequired"),
    ],
)
def test_a_strange_answer_is_named(
    model: HubModel, hub: FakeHub, answer: tuple[int, dict[str, str]], reason: str
) -> None:
    hub.troubles.refusals = [answer] * 9
    error = refusal(model, HubModel.download)
    assert error.reason == reason
    assert error.passes == (reason != "ModelAccessRequired")


@pytest.mark.parametrize(
    ("status", "reason"), [(429, "HubRateLimited"), (500, "HubUnavailable"), (503, "HubUnavailable")]
)
def test_what_passes_is_tried_again_by_the_library_first(
    model: HubModel, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, status: int, reason: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.troubles.refusals = [(status, {})] * 99
    error = refusal(model, HubModel.download)
    assert (error.reason, error.passes) == (reason, True)
    assert len(hub.seen) > 3


def test_a_hub_that_is_down_is_named(model: HubModel, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.stop()
    error = refusal(model, HubModel.download)
    assert (error.reason, error.passes) == ("HubUnreachable", True)
    assert hub.endpoint in error.message
    assert "Connection refused" in error.message


def test_a_hub_that_never_answers_is_named(model: HubModel, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaito.runtime.hub.session.ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.troubles.hang = True
    error = refusal(model, HubModel.size)
    assert (error.reason, error.passes) == ("HubUnreachable", True)
    assert "ReadTimeout" in error.message


def test_offline_is_a_choice_of_the_user(model: HubModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error = refusal(model, HubModel.download)
    assert (error.reason, error.passes) == ("HubUnreachable", False)
    assert "HF_HUB_OFFLINE" in error.remedy


def test_a_folder_that_cannot_be_made_ends_it(model: HubModel) -> None:
    model.cache.write_text("a file")
    error = refusal(model, HubModel.download)
    assert (error.reason, error.passes) == ("WeightsFolderUnwritable", False)
    assert str(model.cache) in error.message


def test_a_full_disk_passes() -> None:
    error = hub_error(OSError(errno.ENOSPC, "No space left on device"), NAME, "main", "http://hub", token=False)
    assert (error.reason, error.passes) == ("DiskFull", True)


def test_signatures_of_links_are_left_out() -> None:
    said = OSError(f"https://cdn/x?Signature={SIGNATURE}&y=1 is broken")
    error = hub_error(said, NAME, "main", "http://hub", token=False)
    assert "https://cdn/x is broken" in error.message
    assert SIGNATURE not in str(error)
