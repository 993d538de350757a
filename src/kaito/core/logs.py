"""Logs as JSON lines on stderr, under the keys that controller-runtime uses (`ts`, `level`, `msg`)."""

import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol

import orjson

# structlog's printer for developers takes rich with it where that is installed: 6 MB and 80 ms of each daemon's start,
# for tracebacks in colour that no daemon prints. So this module loads structlog before any other of ours can.
_installed = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402
from structlog import get_logger  # noqa: E402

if _installed is None:
    del sys.modules["rich"]
else:
    sys.modules["rich"] = _installed

__all__ = ["LogContext", "configure_logging", "get_logger", "log_context", "log_level", "redact", "set_log_level"]

LEVELS = ("debug", "info", "warning", "error")

_SECRET_WORDS = ("token", "password", "authorization", "secret_value", "private_key")
_REDACTED = "[redacted]"


class LogContext(Protocol):
    """What a task is at, such as one reconcile."""

    def fields(self) -> Mapping[str, str]:
        """Return what each log line of it says. Asked only when something is logged."""
        ...


log_context: ContextVar[LogContext | None] = ContextVar("log_context", default=None)
"""What this task, and the tasks it starts, are at."""


class _Threshold:
    """From which level on this process logs; loggers remember their class, so the class has to ask."""

    number = logging.INFO


class _Logger(structlog.make_filtering_bound_logger(logging.NOTSET)):  # type: ignore[misc]
    """A logger whose level can change while it is used. Errors are always logged."""

    def debug(self, event: str, *args: Any, **fields: Any) -> Any:
        return super().debug(event, *args, **fields) if _Threshold.number <= logging.DEBUG else None

    def info(self, event: str, *args: Any, **fields: Any) -> Any:
        return super().info(event, *args, **fields) if _Threshold.number <= logging.INFO else None

    def warning(self, event: str, *args: Any, **fields: Any) -> Any:
        return super().warning(event, *args, **fields) if _Threshold.number <= logging.WARNING else None


def log_level() -> str:
    """Return the level that this process logs from."""
    return logging.getLevelName(_Threshold.number).lower()


def set_log_level(level: str) -> None:
    """Log from `level` on, from now on. Raises ValueError for one that is not one of debug, info, warning, error."""
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is not one of {', '.join(LEVELS)}")
    _Threshold.number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger().setLevel(max(_Threshold.number, logging.WARNING))


def configure_logging(level: str = "info") -> None:
    """Send structlog and the standard library's logging to stderr as JSON, from `level` on.

    Raises ValueError for a level that is not one of debug, info, warning, error.
    """
    set_log_level(level)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_context,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("msg"),
            redact,
            structlog.processors.JSONRenderer(serializer=_dump),
        ],
        wrapper_class=_Logger,
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=max(_Threshold.number, logging.WARNING), handlers=[handler], force=True)


def _add_context(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = log_context.get()
    return event if context is None else {**context.fields(), **event}


def redact(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace the values of keys that name a secret; a last net, secrets are not logged to begin with."""
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS) and isinstance(event[key], str | bytes):
            event[key] = _REDACTED
    return event


def _dump(value: object, **_: Any) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)


class _JsonFormatter(logging.Formatter):
    """The same line for libraries that log through the standard library."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "logger": record.name,
            "level": record.levelname.lower(),
            "ts": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "msg": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _dump(line).decode()
