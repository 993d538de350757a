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

__all__ = ["LogContext", "configure_logging", "get_logger", "log_context", "redact"]

_SECRET_WORDS = ("token", "password", "authorization", "secret_value", "private_key")
_REDACTED = "[redacted]"


class LogContext(Protocol):
    """What a task is at, such as one reconcile."""

    def fields(self) -> Mapping[str, str]:
        """Return what each log line of it says. Asked only when something is logged."""
        ...


log_context: ContextVar[LogContext | None] = ContextVar("log_context", default=None)
"""What this task, and the tasks it starts, are at."""


def configure_logging(level: str = "info") -> None:
    """Send structlog and the standard library's logging to stderr as JSON, from `level` on.

    Raises ValueError for a level that is not one of debug, info, warning, error.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level {level!r} is not one of debug, info, warning, error")
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
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


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
