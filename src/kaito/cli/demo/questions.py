"""What a demo asks the Workspace: `/chat` as on the page, `/v1/completions` as an application does."""

import json
import subprocess
from typing import Any

from kaito.core.errors import KaitoError

PROMPT = "YOUR QUESTION HERE"
"""The page's own words."""

CURL_SECONDS = 300

MOST_TOKENS = 96
"""Enough for every answer of a stand-in."""


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
    """Return the first model and its completion through the `openai` client. KaitoError (OpenaiMissing, …)."""
    client, error = _openai(host)
    try:
        model: str = client.models.list().data[0].id
    except (error, IndexError) as failure:
        raise KaitoError("CompletionFailed", f"http://{host}/v1/models failed: {failure}") from failure
    return model, ask_model(host, model, prompt)


def ask_model(host: str, model: str, prompt: str) -> str:
    """Return a model's completion through the `openai` client. KaitoError (OpenaiMissing, CompletionFailed)."""
    client, error = _openai(host)
    try:
        completion: Any = client.completions.create(model=model, prompt=prompt, max_tokens=MOST_TOKENS)
    except error as failure:
        raise KaitoError("CompletionFailed", f"http://{host}/v1/completions failed: {failure}") from failure
    return str(completion.choices[0].text).strip()


def _openai(host: str) -> tuple[Any, type[Exception]]:
    """Return a client, and what it raises. KaitoError (OpenaiMissing)."""
    try:
        import openai
    except ImportError as error:
        raise KaitoError(
            "OpenaiMissing",
            "The Python package openai is not installed.",
            terminal=True,
            remedy="`uv sync` installs it.",
        ) from error
    return openai.OpenAI(base_url=f"http://{host}/v1", api_key="unused", timeout=CURL_SECONDS), openai.OpenAIError
