"""What a demo asks the Workspace: `/chat` as on the page, `/v1/completions` as an application does."""

import json
import subprocess
from typing import Any

from kaito.core.errors import KaitoError

PROMPT = "YOUR QUESTION HERE"
"""The page's own words."""

CURL_SECONDS = 300


def chat_command(host: str, prompt: str) -> list[str]:
    """Return the page's `curl` command for a host."""
    return [
        *("curl", "-X", "POST", f"http://{host}/chat"),
        *("-H", "accept: application/json"),
        *("-H", "Content-Type: application/json"),
        *("-d", json.dumps({"prompt": prompt}, separators=(",", ":"))),
    ]


def ask_chat(host: str, prompt: str = PROMPT) -> str:
    """Return what `/chat` prints. KaitoError (CurlMissing, ChatFailed)."""
    command = chat_command(host, prompt)
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the arguments are ours
            [command[0], "--silent", "--show-error", "--fail-with-body", *command[1:]],
            capture_output=True,
            text=True,
            timeout=CURL_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise KaitoError("CurlMissing", "curl is not installed.", terminal=True, remedy="Install curl.") from error
    except subprocess.TimeoutExpired as error:
        raise KaitoError("ChatFailed", f"http://{host}/chat did not answer in {CURL_SECONDS} s.") from error
    if done.returncode != 0:
        raise KaitoError(
            "ChatFailed", f"http://{host}/chat failed: {done.stderr.strip()} {done.stdout.strip()}".strip()
        )
    return done.stdout.strip()


def ask_completion(host: str, prompt: str = PROMPT) -> tuple[str, str]:
    """Return the model and the text of a completion through the `openai` client. KaitoError (OpenaiMissing, …)."""
    try:
        import openai
    except ImportError as error:
        raise KaitoError(
            "OpenaiMissing",
            "The Python package openai is not installed.",
            terminal=True,
            remedy="`uv sync` installs it.",
        ) from error
    client = openai.OpenAI(base_url=f"http://{host}/v1", api_key="unused", timeout=CURL_SECONDS)
    try:
        model: str = client.models.list().data[0].id
        completion: Any = client.completions.create(model=model, prompt=prompt, max_tokens=64)
    except (openai.OpenAIError, IndexError) as error:
        raise KaitoError("CompletionFailed", f"http://{host}/v1/completions failed: {error}") from error
    return model, str(completion.choices[0].text).strip()
