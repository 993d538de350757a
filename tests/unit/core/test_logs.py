"""Logs are JSON lines that hold no secret."""

import subprocess
import sys

import orjson
import pytest

from kaito.core import configure_logging

SCRIPT = """
import logging, structlog
from kaito.core import configure_logging
configure_logging("info")
log = structlog.get_logger()
log.debug("unseen")
log.info("hello", name="x", token="s3cret")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
logging.getLogger("aiohttp").error("from a library")
"""


def test_every_line_is_json_with_the_keys_of_controller_runtime():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert [line["msg"] for line in lines] == ["hello", "failed", "from a library"]
    assert {"ts", "level", "msg"} <= lines[0].keys()
    assert lines[0]["name"] == "x"
    assert "ZeroDivisionError" in lines[1]["exception"]
    assert b"s3cret" not in done.stderr
    assert not done.stdout


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="not one of"):
        configure_logging("loud")


@pytest.mark.parametrize(
    "module",
    ["kaito.apiserver.main", "kaito.controllers.main", "kaito.provisioner.main", "kaito.local.node.main"],
)
def test_a_daemon_does_not_pay_for_tracebacks_in_colour(module: str) -> None:
    code = f"import sys, {module}; print('rich' in sys.modules, 'structlog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_level_of_a_logger_that_is_in_use_can_be_changed():
    script = """
import structlog
from kaito.core import configure_logging, log_level, set_log_level
configure_logging("info")
log = structlog.get_logger()
for level in ("debug", "error", "info"):
    log.debug("d", at=log_level())
    log.info("i", at=log_level())
    log.warning("w", at=log_level())
    log.error("e", at=log_level())
    set_log_level(level)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    said = {
        level: "".join(line["msg"] for line in lines if line["at"] == level) for level in ("info", "debug", "error")
    }
    assert said == {"info": "iwe", "debug": "diwe", "error": "e"}
