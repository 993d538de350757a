import pytest

from kaito.runtime.engine.causes import engine_failure, start_failures
from kaito.runtime.failure import FatalError


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (
            "ValueError: max seq len (131072), 48 GiB KV cache is needed, which is larger than the available",
            "ContextTooLong",
        ),
        ("ValidationError: User-specified max_model_len (200000) is greater than the derived", "ContextTooLong"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.5 GiB", "NotEnoughMemory"),
        ("ValueError: No available memory for the cache blocks.", "NotEnoughMemory"),
        ("ValueError: Free memory on device (3/16 GiB) on startup is less than desired", "NotEnoughMemory"),
        ("OSError: x does not appear to have a file named config.json", "ModelNotFound"),
        ("SafetensorError: Error while deserializing header: HeaderTooLarge", "ModelInvalid"),
        ("ValueError: Model architectures ['X'] are not supported for now.", "ModelInvalid"),
        ("RuntimeError: something new", "EngineFailed"),
    ],
)  # fmt: skip
def test_an_engine_that_does_not_start_says_why_and_what_to_do(cause: str, reason: str) -> None:
    failure = engine_failure(RuntimeError("Engine core initialization failed."), cause)
    assert failure.reason == reason
    assert failure.remedy
    assert "\n" not in str(failure)


def test_without_a_recorded_cause_the_error_itself_is_read() -> None:
    failure = engine_failure(MemoryError("no room"), "")
    assert (failure.reason, "no room" in failure.message) == ("NotEnoughMemory", True)


def test_a_long_cause_is_cut() -> None:
    assert len(engine_failure(RuntimeError("x" * 5000), "").message) < 700


def test_what_vllm_raises_once_its_engine_runs_is_a_failure_too() -> None:
    with pytest.raises(FatalError, match="No adapter found for /bad") as caught, start_failures(lambda: ""):
        raise ValueError("No adapter found for /bad")
    assert caught.value.reason == "EngineFailed"
    with pytest.raises(FatalError, match="CUDA error"), start_failures(lambda: "RuntimeError: CUDA error"):
        raise RuntimeError("EngineCore encountered an issue.")


def test_a_failure_with_a_reason_of_its_own_keeps_it() -> None:
    with pytest.raises(FatalError) as caught, start_failures(lambda: "RuntimeError: another"):
        raise FatalError("WarmUpFailed", "It answered 500.", remedy="Look.")
    assert caught.value.reason == "WarmUpFailed"
