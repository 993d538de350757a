import json
import logging
from pathlib import Path

import pytest

from kaito.runtime.logs import CAUSE_VARIABLE, CauseHandler, JsonFormatter, recorded_cause, write_vllm_logging


def record(message: str, *, error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("vllm.x", logging.ERROR, "x.py", 1, message, (), info)


def test_a_record_becomes_one_json_line() -> None:
    line = JsonFormatter().format(record("two\nlines", error=ValueError("bad")))
    content = json.loads(line)
    assert "\n" not in line
    assert (content["level"], content["logger"], content["event"]) == ("error", "vllm.x", "two\nlines")
    assert "ValueError: bad" in content["exception"]


def test_the_first_error_with_which_an_engine_process_ends_is_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CAUSE_VARIABLE, str(tmp_path / "cause"))
    assert recorded_cause() == ""
    handler = CauseHandler()
    handler.emit(record("EngineCore failed to start."))
    handler.emit(record("WorkerProc failed to start.", error=MemoryError("no room")))
    handler.emit(record("EngineCore failed to start.", error=RuntimeError("consequence")))
    assert recorded_cause() == "MemoryError: no room"


@pytest.mark.parametrize(
    "message",
    [
        "Error in completion stream generator.",
        "Invocation of add_lora method failed",
        "Unexpected error pre-processing request cmpl-1",
        "WorkerProc hit an exception.",
        "AsyncLLM output_handler failed.",
    ],
)
def test_the_error_of_one_request_or_adapter_is_no_cause_of_an_end_days_later(
    message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CAUSE_VARIABLE, str(tmp_path / "cause"))
    handler = CauseHandler()
    handler.emit(record(message, error=ValueError("what a client wrote")))
    assert recorded_cause() == ""
    handler.emit(record("EngineCore encountered a fatal error.", error=RuntimeError("CUDA error")))
    assert recorded_cause() == "RuntimeError: CUDA error"


def test_vllm_s_processes_are_told_to_log_as_this_one_does(tmp_path: Path) -> None:
    environment = write_vllm_logging(tmp_path, "info")
    config = json.loads(Path(environment["VLLM_LOGGING_CONFIG_PATH"]).read_text())
    assert config["loggers"]["vllm"]["handlers"] == ["stderr", "cause"]
