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


def test_the_first_error_of_an_engine_process_is_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CAUSE_VARIABLE, str(tmp_path / "cause"))
    assert recorded_cause() == ""
    handler = CauseHandler()
    handler.emit(record("no exception"))
    handler.emit(record("failed", error=MemoryError("no room")))
    handler.emit(record("later", error=RuntimeError("consequence")))
    assert recorded_cause() == "MemoryError: no room"


def test_vllm_s_processes_are_told_to_log_as_this_one_does(tmp_path: Path) -> None:
    environment = write_vllm_logging(tmp_path, "info")
    config = json.loads(Path(environment["VLLM_LOGGING_CONFIG_PATH"]).read_text())
    assert config["loggers"]["vllm"]["handlers"] == ["stderr", "cause"]
