"""What holds for every test: no property is timed, and the logging that one of them sets up ends with it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import settings

if TYPE_CHECKING:
    from registry import RealRegistry

# A machine under load is no fault of the code: nothing here is timed. A failure prints what repeats it.
settings.register_profile("kaito", deadline=None, print_blob=True)
settings.load_profile("kaito")

_configure = structlog.configure


def _configure_without_cache(**options: Any) -> None:
    """Keep loggers from remembering a stream: pytest closes the one that a test wrote to."""
    _configure(**{**options, "cache_logger_on_first_use": False})


structlog.configure = _configure_without_cache


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whole suites run on another cluster than the embedded one, and in parts."""
    parser.addoption("--kubeconfig", default=None, help="run against this cluster instead of the embedded one")
    parser.addoption("--counts", default=None, help="add this run's counts to a file, and end with all that it holds")


def pytest_unconfigure(config: pytest.Config) -> None:
    file = config.getoption("--counts")
    if file is None or hasattr(config, "workerinput"):  # a worker of xdist has not seen all
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    counts = ", ".join(text for text, _ in reporter.build_summary_stats_line()[0])
    with Path(file).open("a") as lines:
        lines.write(f"{counts} in {' '.join(config.args)}\n")
    print(Path(file).read_text(), end="")


@pytest.fixture(scope="session")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[RealRegistry]":
    """A real registry that anybody may push to and pull from; see registry.py."""
    from registry import RealRegistry

    with RealRegistry.run(tmp_path_factory.mktemp("registry")) as registry:
        yield registry
