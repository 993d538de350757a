"""Record lists and watch events of a server, for the replay server.

python -m bench.replay.record --output cluster.jsonl --seconds 60 v1/Pod apps/v1/Deployment
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from kaito.core import Client, KaitoError, Kind, load_connection


async def record(client: Client, kinds: list[Kind[Any]], output: BinaryIO, seconds: float) -> None:
    """Write what is there of `kinds`, then what changes within `seconds`."""
    watches = []
    for kind in kinds:
        path = (await client.resource(kind)).path("")
        found = await client.list(kind)
        _write(output, {"list": path, "kind": kind.kind, "apiVersion": kind.api_version, "items": found.items})
        watches.append((kind, path, found.resource_version))
    begin = time.monotonic()

    async def follow(kind: Kind[Any], path: str, version: str) -> None:
        async for event in client.watch(kind, resource_version=version, timeout_seconds=int(seconds) + 1):
            if event.type != "BOOKMARK":
                after = round(time.monotonic() - begin, 6)
                _write(output, {"after": after, "path": path, "type": event.type, "object": event.object})

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for watch in watches:
                group.create_task(follow(*watch))
    except TimeoutError:
        return


def _write(output: BinaryIO, line: dict[str, Any]) -> None:
    output.write(orjson.dumps(line) + b"\n")


def _kind(text: str) -> Kind[Any]:
    api_version, _, kind = text.rpartition("/")
    return Kind(api_version, kind, dict)


async def _main(options: argparse.Namespace) -> None:
    client = await Client.connect(load_connection(options.kubeconfig), field_manager="bench-record")
    try:
        with options.output.open("wb") as output:
            await record(client, options.kinds, output, options.seconds)
    finally:
        await client.close()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="+", type=_kind, help="apiVersion/Kind")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kubeconfig")
    try:
        asyncio.run(_main(parser.parse_args()))
    except KaitoError as error:
        parser.exit(1, f"record: {error}\n")


if __name__ == "__main__":
    main()
