"""A model that pools and generates nothing becomes ready, is watched, and answers."""

import time
from pathlib import Path

from runtime.server import PRESET, RuntimeServer


def test_a_model_that_makes_embeddings_is_served(stand_in: Path, tmp_path: Path) -> None:
    flags = ("--runner=pooling", "--max-model-len=512", "--kaito-canary-seconds=1")
    server = RuntimeServer(tmp_path, stand_in, f"--served-model-name={PRESET}", *flags)
    try:
        server.wait_ready()
        answer = server.ask("/v1/embeddings", {"model": PRESET, "input": "Hello"})
        assert answer.status == 200, answer.text
        assert answer.body["data"][0]["embedding"]
        time.sleep(3)  # the canary is sent meanwhile
        assert server.ask("/health").status == 200
        assert "canary" not in server.log()
    finally:
        server.kill()
