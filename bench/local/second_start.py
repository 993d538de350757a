"""A second `kaito up` to the first answer, beside the start of bare vLLM with the same settings, in turns.

Run: .venv/bin/python bench/local/second_start.py [--rounds 3]. Prints one line a round and the medians. Wall times on a
shared machine drift; the difference of medians taken in turns is what counts (target: 10 s more than bare vLLM).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from kaito.local.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "examples" / "inference" / "kaito_workspace_phi_3.yaml"
NAME = "workspace-phi-3-mini"
MODEL = "phi-3-mini-4k-instruct"
PROGRAMS = Path(sys.executable).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        up(directory)
        kubectl(directory, "apply", "-f", str(MANIFEST))
        kubectl(directory, "wait", "workspace", NAME, "--for=condition=WorkspaceReady", "--timeout=600s")
        address = kubectl(directory, "get", "svc", NAME, "-o", "jsonpath={.spec.clusterIP}")
        run("kaito", "down", "--dir", folder)
        ours, bare = [], []
        for number in range(rounds):
            ours.append(kaito_start(directory, address))
            bare.append(vllm_start(directory))
            print(f"round {number + 1}: kaito up {ours[-1]:.1f} s, bare vLLM {bare[-1]:.1f} s", flush=True)
        run("kaito", "down", "--dir", folder, "--purge")
    a, b = statistics.median(ours), statistics.median(bare)
    print(f"median: kaito up to the first answer {a:.1f} s, bare vLLM {b:.1f} s, difference {a - b:+.1f} s")


def kaito_start(directory: Path, address: str) -> float:
    """Return the seconds from `kaito up`, on the state of an earlier run, to the first answer of /chat."""
    begin = time.monotonic()
    up(directory)
    first_answer(f"http://{address}/chat", {"prompt": "Hello"})
    seconds = time.monotonic() - begin
    run("kaito", "down", "--dir", str(directory))
    return seconds


def vllm_start(directory: Path) -> float:
    """Return the seconds that vLLM's own server takes to its first answer, with the flags and environment of ours."""
    port = free_port()
    flags = [f"--model={directory / 'weights' / MODEL}", f"--served-model-name={MODEL}", "--host=127.0.0.1"]
    lora = ["--enable-lora", "--max-loras=4", "--max-cpu-loras=8", "--max-lora-rank=64", "--max-model-len=4096"]
    shown = run("kaito-runtime", "serve", *flags, f"--port={port}", *lora, "--print-effective-config")
    effective = json.loads(shown[shown.index("{") :])
    begin = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry", *effective["argv"]],
        env={**os.environ, **effective["environment"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        body = {"model": MODEL, "prompt": "Hello", "max_tokens": 8}
        first_answer(f"http://127.0.0.1:{port}/v1/completions", body, server)
        return time.monotonic() - begin
    finally:
        server.terminate()
        server.wait()


def first_answer(url: str, body: dict[str, object], server: subprocess.Popen[bytes] | None = None) -> None:
    """Ask until an answer comes; give up after five minutes, or when the server has ended."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if server is not None and server.poll() is not None:
            sys.exit(f"bare vLLM ended with exit code {server.returncode}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    sys.exit(f"no answer from {url}")


def up(directory: Path) -> None:
    run("kaito", "up", "--dir", str(directory), "--port", str(7543), "--service-cidr", "127.99.0.0/16")


def kubectl(directory: Path, *arguments: str) -> str:
    return run("kubectl", "--kubeconfig", str(directory / "kubeconfig"), *arguments)


def run(*command: str) -> str:
    """Run a command of this environment and return what it printed; end with its errors if it fails."""
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} exited {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
