import pytest

from kaito.runtime.engine.causes import engine_failure


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
