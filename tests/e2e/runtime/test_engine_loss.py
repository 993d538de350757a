"""An engine that hangs is seen, said, and no client is left waiting. For one that dies see test_adapter_sources.py."""

import signal
from pathlib import Path

from runtime.engine_loss import lose_engine
from runtime.server import PRESET, RuntimeServer


def test_an_engine_that_hangs_is_seen_and_told(stand_in: Path, tmp_path: Path) -> None:
    canary = ("--kaito-canary-seconds=2", "--kaito-canary-deadline-seconds=4")
    server = RuntimeServer(tmp_path, stand_in, f"--served-model-name={PRESET}", "--max-model-len=2048", *canary)
    try:
        server.wait_ready()
        lose_engine(server, signal.SIGSTOP, "EngineHung", 2 + 4 + 2)
    finally:
        server.kill()
