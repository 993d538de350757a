"""`kaito chat`."""

import asyncio
import json
from pathlib import Path

import aiohttp
import typer

from kaito.cli.connection import connected
from kaito.cli.endpoint import serving_host
from kaito.cli.kinds import WORKSPACE
from kaito.cli.options import OutputFormat
from kaito.core import Key
from kaito.core.errors import KaitoError

ANSWER_SECONDS = 300.0


def ask(
    name: str, prompt: str, namespace: str, *, output: OutputFormat, directory: Path | None, kubeconfig: Path | None
) -> None:
    """Print the answer of a Workspace. KaitoError when it does not answer."""
    asyncio.run(_ask(name, prompt, namespace, output, directory, kubeconfig))


async def _ask(
    name: str, prompt: str, namespace: str, output: OutputFormat, directory: Path | None, kubeconfig: Path | None
) -> None:
    async with connected(directory, kubeconfig) as client:
        key = Key(namespace or client.namespace, name)
        await client.get(WORKSPACE, key)
        host = await serving_host(client, key)
    answer = await post_chat(host, prompt)
    typer.echo(json.dumps(answer, ensure_ascii=False) if output is OutputFormat.JSON else answer.get("Result", answer))


async def post_chat(host: str, prompt: str) -> dict[str, str]:
    """Return what `POST /chat` answers. KaitoError (ChatFailed) for anything but 200."""
    url = f"http://{host}/chat"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session,
            session.post(url, json={"prompt": prompt}) as response,
        ):
            text = await response.text()
            if response.status == 200:
                answer: dict[str, str] = json.loads(text)
                return answer
            said = f"{response.status}: {text[:500]}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        said = str(error) or type(error).__name__
    raise KaitoError("ChatFailed", f"{url} did not answer ({said}).", remedy="`kaito status --why` says how it is.")
