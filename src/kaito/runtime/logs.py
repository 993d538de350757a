"""JSON lines on standard error, for this process and vLLM's engine processes alike. No prompt, no answer, no key."""

import json
import logging
import logging.config
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

CAUSE_VARIABLE = "KAITO_FAILURE_CAUSE_FILE"
"""Environment variable with the file in which an engine process leaves the error that ended it."""

_FATAL = (
    "EngineCore failed to start",
    "EngineCore encountered a fatal error",
    "WorkerProc failed",
    "RayWorkerProc failed",
)
"""How the records begin with which a process of vLLM's 0.32 ends. Its others with an exception are of one request or
one adapter: nothing ends with them, and they may quote what a client sent."""

_NOISY = ("httpx", "httpx2", "httpcore", "httpcore2", "huggingface_hub", "urllib3", "filelock", "asyncio", "aiohttp")


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time (UTC), level, logger, process, event, and the exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        process = getattr(record, "vllm_process_name", None)
        if process and process != "MainProcess":
            line["process"] = process
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class CauseHandler(logging.Handler):
    """Keeps the first error with which an engine process ends: its parent learns only that it ended."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        """Write `Type: message` of a fatal record's exception, once."""
        path = os.environ.get(CAUSE_VARIABLE)
        if not path or not record.exc_info or record.exc_info[1] is None:
            return
        if not record.getMessage().startswith(_FATAL):
            return
        error = record.exc_info[1]
        try:
            with Path(path).open("x", encoding="utf-8") as file:
                file.write(f"{type(error).__name__}: {error}")
        except OSError:
            return  # an earlier error is the cause; or there is no room, and the log has it


def logging_config(level: str) -> dict[str, Any]:
    """Return the `logging.config` dictionary for this process, for uvicorn and for vLLM's processes."""
    name = level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "kaito.runtime.logs.JsonFormatter"}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"},
            "cause": {"()": "kaito.runtime.logs.CauseHandler"},
        },
        "root": {"handlers": ["stderr"], "level": name},
        "loggers": {
            "vllm": {"handlers": ["stderr", "cause"], "level": name, "propagate": False},
            "uvicorn": {"handlers": [], "level": "WARNING"},
            "uvicorn.error": {"handlers": [], "level": "WARNING"},
            **{noisy: {"level": "WARNING"} for noisy in _NOISY},
        },
    }


def configure_logging(level: str) -> None:
    """Send the log of this process to standard error as JSON lines, from `level` on."""
    logging.config.dictConfig(logging_config(level))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def write_vllm_logging(folder: Path, level: str) -> dict[str, str]:
    """Write vLLM's logging configuration into a folder; return the environment that makes its processes use it."""
    config = folder / "logging.json"
    config.write_text(json.dumps(logging_config(level)), encoding="utf-8")
    return {
        "VLLM_LOGGING_CONFIG_PATH": str(config),
        "VLLM_LOGGING_LEVEL": level.upper(),
        CAUSE_VARIABLE: str(folder / "cause.txt"),
    }


def recorded_cause() -> str:
    """Return what an engine process left behind; empty when nothing."""
    try:
        return Path(os.environ.get(CAUSE_VARIABLE, "")).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
